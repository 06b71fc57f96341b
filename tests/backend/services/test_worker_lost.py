"""The background worker: a job that it loses sight of, and finds again."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.upkeep import Upkeep
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import FakeJob, GPUService, a_picture
from tests.backend.making import kept, queued
from tests.backend.services.working import (
    FullDisk,
    Working,
    after_a_kill,
    ended,
    put_ids,
    resumes,
)
from tests.conditions import eventually

LOST: dict[str, Any] = {
    "broken off": lambda job: job.break_off(),
    "silent": lambda job: job.break_off(httpx.ReadTimeout("silent")),
    "half a body": lambda job: job.break_off(httpx.RemoteProtocolError("incomplete")),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
async def test_lost_connection_puts_the_task_back_with_its_job(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, lose: Any
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working(jitter=lambda low, high: 60.0):
        await eventually(lambda: gpu.jobs)
        lose(gpu.jobs[0])

        async def waits() -> bool:
            return (await kept(store)).state is TaskState.QUEUED

        await eventually(waits)
        task = await kept(store)
    assert (task.job_id, task.attempt) == (gpu.jobs[0].id, 1)
    assert gpu.cancelled == []


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
async def test_next_attempt_finds_the_same_job(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, lose: Any
) -> None:
    gpu.answers(lose)
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 2)
    assert put_ids(gpu) == [task.job_id, task.job_id]
    assert resumes(gpu) == [False, True]


async def test_job_that_a_stopping_gpu_service_let_go_costs_no_attempt_and_is_found_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    for _ in range(6):
        gpu.answers(FakeJob.hang_up)
    await queued(store)
    async with working(max_attempts=5):
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)
    assert set(put_ids(gpu)) == {task.job_id}
    assert gpu.cancelled == []


async def test_connection_that_is_always_lost_has_failed_in_the_end(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.always(FakeJob.break_off)
    await queued(store)
    async with working(max_attempts=3):
        task = await ended(store)
    assert (task.state, task.error_code, task.attempt) == (
        TaskState.FAILED,
        "gpu_service_error",
        3,
    )
    assert resumes(gpu) == [False, True, True]
    # It may go on over there, and nobody will come for it.
    await eventually(lambda: gpu.cancelled == [task.job_id])


async def test_silence_is_as_long_as_heartbeats_can_be_missed(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    """The GPU service says something every 15 seconds."""
    await queued(store)
    async with working():
        await ended(store)
    timeout = gpu.put.calls.last.request.extensions["timeout"]
    assert 30 < timeout["read"] < 60


async def test_job_that_is_gone_when_its_outputs_are_fetched_is_asked_for_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    """The GPU service was started anew in between: ComfyUI has what it made."""
    gpu.forgets_one_output = True
    await queued(store)
    async with working():
        task = await ended(store)
    assert task.state is TaskState.DONE
    assert put_ids(gpu) == [task.job_id, task.job_id]
    assert resumes(gpu) == [False, True]


async def test_gpu_service_that_goes_while_outputs_are_fetched_is_waited_for(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    usual = gpu.output.side_effect
    gpu.output.side_effect = httpx.ConnectError("refused")
    await queued(store)
    async with working(max_attempts=1):
        await eventually(lambda: gpu.output.called)
        gpu.output.side_effect = usual
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)
    assert resumes(gpu)[-1] is True


async def test_refused_output_has_failed_for_that_reason(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.output.side_effect = None
    gpu.output.respond(500, json={"code": "internal_error", "detail": "Ours.", "retryable": False})
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.state, task.error) == (TaskState.FAILED, "Ours.")


async def test_stop_hands_the_job_over(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working():
        await eventually(lambda: gpu.jobs)
    left = await kept(store)
    assert (left.state, left.attempt, left.job_id) == (TaskState.QUEUED, 0, gpu.jobs[0].id)
    async with working():
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)
    assert put_ids(gpu) == [left.job_id, left.job_id]
    assert resumes(gpu) == [False, True]


async def test_job_of_a_killed_process_is_found_again(
    gpu: GPUService, working: Working, services: GPUServices, live: LiveHub, tmp_path: Path
) -> None:
    async with (
        after_a_kill(tmp_path / "killed", "the-one-before") as store,
        Upkeep(store, services, live, max_attempts=5),
        working(store),
    ):
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 2)
    assert put_ids(gpu) == ["the-one-before"]
    assert resumes(gpu) == [True]


async def test_task_whose_output_found_no_room_keeps_its_job(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    full_disk: FullDisk,
    full_runner: AttemptRunner,
) -> None:
    gpu.makes = [a_picture()]
    await queued(store)
    async with working(runner=full_runner):
        await eventually(lambda: len(gpu.jobs) > 1)
        full_disk.full = False
        task = await ended(store)
    assert set(put_ids(gpu)) == {task.job_id}
    assert resumes(gpu)[:2] == [False, True]
    assert gpu.jobs[0].sent["params"] == gpu.jobs[1].sent["params"]
