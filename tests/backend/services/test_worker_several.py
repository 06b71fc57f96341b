"""The background workers of two GPU services, over one store."""

import time

import httpx
import pytest

from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.pace import Pace
from backend.services.upkeep import Upkeep
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import GPU_URL, OTHER_URL, FakeJob, GPUService
from tests.backend.making import claimed, kept, queued
from tests.backend.services.working import BothWorking, ended, problem, put_ids, resumes
from tests.conditions import eventually

BRIEFLY = Pace(idle=0.02, away=0.02, backoff=0.02, hold=0.1)


async def test_both_work_at_once(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    for fake in (gpu, other_gpu):
        fake.holds()
    for name in ("a", "b", "c"):
        await queued(store, name)
    async with both_working():
        await eventually(lambda: len(gpu.jobs) == len(other_gpu.jobs) == 1)
        services = {(await kept(store, name)).service for name in ("a", "b", "c")}
    assert services == {GPU_URL, OTHER_URL, None}


async def test_task_runs_where_its_workflow_is(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.has_workflows("upscale")
    other_gpu.has_workflows("inpaint")
    await queued(store, "a", workflow="inpaint")
    await queued(store, "b", workflow="upscale")
    async with both_working():
        for name in ("a", "b"):
            await ended(store, name)
    assert [job.sent["workflow"] for job in gpu.jobs] == ["upscale"]
    assert [job.sent["workflow"] for job in other_gpu.jobs] == ["inpaint"]


async def test_task_runs_where_its_model_is(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.has_workflows("free_generation", model={"enum": ["sdxl"]})
    other_gpu.has_workflows("free_generation", model={"enum": ["sdxl", "flux"]})
    names = [f"t{number}" for number in range(5)]
    for name in names:
        await queued(store, name, needs={"model": "flux"})
    async with both_working():
        for name in names:
            await ended(store, name)
    assert (len(gpu.jobs), len(other_gpu.jobs)) == (0, 5)


async def test_nothing_is_given_away_before_it_is_known_who_can_run_it(
    store: SQLiteTaskStore,
    gpu: GPUService,
    other_gpu: GPUService,
    two: GPUServices,
    both_working: BothWorking,
) -> None:
    gpu.has_workflows("upscale")
    other_gpu.has_workflows("inpaint")
    names = [f"t{number}" for number in range(5)]
    for name in names:
        await queued(store, name, workflow="inpaint")
    async with both_working(known=False), two.kept_fresh(0.02):
        for name in names:
            assert (await ended(store, name)).service == OTHER_URL
    assert not gpu.put.called


async def test_what_nobody_can_run_fails_with_a_gpu_service_s_reason(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    for fake in (gpu, other_gpu):
        fake.has_workflows("upscale")
        fake.always(httpx.Response(404, json={"code": "workflow_not_found", "detail": "no"}))
    await queued(store, workflow="gone")
    async with both_working():
        task = await ended(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "workflow_not_found")


async def test_stub_among_real_ones_gets_nothing(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.has_workflows("free_generation")
    names = [f"t{number}" for number in range(5)]
    for name in names:
        await queued(store, name)
    async with both_working():
        for name in names:
            await ended(store, name)
    assert (len(gpu.jobs), len(other_gpu.jobs)) == (5, 0)


async def test_one_works_on_while_the_other_is_away(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.goes_away()
    names = [f"t{number}" for number in range(5)]
    for name in names:
        await queued(store, name)
    async with both_working(max_attempts=1):
        tasks = [await ended(store, name) for name in names]
    assert {(task.state, task.attempt) for task in tasks} == {(TaskState.DONE, 1)}
    assert len(other_gpu.jobs) == 5


async def test_task_of_one_that_fails_every_time_is_done_by_the_other(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.always(problem(503, code="comfyui_unavailable"))
    await queued(store)
    async with both_working(max_attempts=1):
        task = await ended(store)
    assert (task.state, task.service) == (TaskState.DONE, OTHER_URL)


async def test_task_whose_connection_broke_is_left_to_its_service_for_a_while(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.has_workflows("free_generation")
    gpu.answers(FakeJob.break_off)
    other_gpu.has_workflows("upscale")
    await queued(store)
    async with both_working():
        await eventually(lambda: gpu.jobs)
        other_gpu.has_workflows("free_generation")
        task = await ended(store)
    assert put_ids(gpu) == [task.job_id, task.job_id]
    assert resumes(gpu) == [False, True]
    assert not other_gpu.put.called


async def test_job_of_one_that_stays_away_is_begun_anew_by_the_other(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.answers(FakeJob.start)
    gpu.health.side_effect = httpx.ConnectError("refused")
    async with both_working(pace=BRIEFLY) as workers:
        other_gpu.gate.clear()
        await queued(store, "keeps the other busy")
        await queued(store)
        await eventually(lambda: gpu.jobs and other_gpu.arrived)
        left = gpu.jobs[0]
        gpu.always(httpx.ConnectError("refused"))
        left.break_off()
        other_gpu.gate.set()
        for name in ("keeps the other busy", "t1"):
            assert (await ended(store, name)).state is TaskState.DONE
        assert all(worker.alive for worker in workers)
        await eventually(lambda: gpu.cancelled == [left.id])
    assert left.id not in other_gpu.arrived
    assert resumes(other_gpu) == [False, False]


async def test_job_left_behind_on_a_service_that_is_gone_stops_nothing(
    store: SQLiteTaskStore,
    gpu: GPUService,
    other_gpu: GPUService,
    both_working: BothWorking,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It has been taken out of GPU_SERVICE_URL."""
    gone = "http://gone.test:8001"
    gpu.router.delete(f"{gone}/jobs/left").mock(side_effect=httpx.ConnectError("refused"))
    await queued(store)
    task = await claimed(store, time.time(), "left", gone)
    await store.release(task, not_before=0.0, spent=True, keep_job=True, held_until=0.0)
    async with both_working():
        assert (await ended(store)).state is TaskState.DONE
        await eventually(lambda: "Job left could not be cancelled" in caplog.text)


async def test_deadline_cancels_the_job_where_it_is(
    store: SQLiteTaskStore,
    gpu: GPUService,
    other_gpu: GPUService,
    two: GPUServices,
    live: LiveHub,
    both_working: BothWorking,
) -> None:
    gpu.has_workflows("upscale")
    other_gpu.has_workflows("free_generation")
    other_gpu.always(FakeJob.start)
    upkeep = Upkeep(store, two, live, max_attempts=5, seconds=0.02)
    async with both_working(), upkeep:
        await queued(store, deadline=time.time() + 0.2)
        task = await ended(store)
        await eventually(lambda: other_gpu.cancelled)
    assert (task.state, task.error_code) == (TaskState.CANCELLED, "deadline_passed")
    assert (gpu.cancelled, other_gpu.cancelled) == ([], [task.job_id])
