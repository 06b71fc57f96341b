"""An attempt that has lost its task to another: it does no harm to what the other brings."""

import asyncio
import time

import pytest

from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import GPUService as Service
from backend.services.live import LiveHub
from backend.services.pace import Pace
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Output, TaskState
from tests.backend.gpu_service import GPU_URL, FakeJob, GPUService, Made
from tests.backend.making import claimed, kept, queued
from tests.backend.services.working import (
    BothWorking,
    MakeRunner,
    Working,
    ended,
    nothing_happens,
    problem,
)
from tests.conditions import eventually


class LateOutputs(LocalOutputStore):
    """Writes when it is let."""

    def __init__(self, outputs: LocalOutputStore) -> None:
        super().__init__(outputs._folder)
        self.let = asyncio.Event()
        self.waiting = False

    async def save(self, task_id: str, name: str, data: bytes, content_type: str) -> Output:
        self.waiting = True
        await self.let.wait()
        return await super().save(task_id, name, data, content_type)


async def lost(store: SQLiteTaskStore, *, job_id: str | None = None) -> None:
    """The task's worker is taken for dead, as on another machine; its job is kept, or replaced."""

    def forget() -> None:
        store._tasks._db.execute("UPDATE tasks SET worker = 'gone'")
        if job_id is not None:
            store._tasks._db.execute("UPDATE tasks SET job_id = ?", (job_id,))

    await store._run(forget)
    assert await store.recover(5, time.time(), 0.0)


def goes_on(job: FakeJob) -> None:
    """Runs until the test ends it."""
    job.start()


async def test_attempt_past_its_time_leaves_the_job_that_the_next_one_goes_on_with(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    make_runner: MakeRunner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gpu.answers(FakeJob.start)
    gpu.answers(goes_on)
    await queued(store)
    async with working(runner=make_runner(0.3)):
        await eventually(lambda: gpu.jobs)
        await lost(store)
        async with working(runner=make_runner(60)):
            await eventually(lambda: len(gpu.jobs) == 2)
            await eventually(lambda: "late result of attempt 1 dropped" in caplog.text)
            gpu.jobs[1].finish()
            task = await ended(store)
    assert (task.state, gpu.cancelled) == (TaskState.DONE, [])


async def test_attempt_that_starts_late_leaves_the_job_that_the_next_one_goes_on_with(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(nothing_happens)
    gpu.answers(goes_on)
    await queued(store)
    async with working():
        await eventually(lambda: gpu.jobs)
        await lost(store)
        async with working():
            await eventually(lambda: len(gpu.jobs) == 2)
            gpu.jobs[0].start()
            gpu.jobs[1].finish()
            task = await ended(store)
    assert (task.state, gpu.cancelled) == (TaskState.DONE, [])


async def test_late_output_does_not_write_over_the_one_that_was_recorded(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    outputs: LocalOutputStore,
    service: Service,
    live: LiveHub,
) -> None:
    late = LateOutputs(outputs)
    gpu.makes = [Made(b"the late one", "image/png", "a.png")]
    await queued(store)
    async with working(runner=AttemptRunner(service.client, late, live, 60)):
        await eventually(lambda: late.waiting)
        await lost(store, job_id="99999999-0000-4000-8000-000000000000")
        gpu.makes = [Made(b"the one that counts", "image/png", "b.png")]
        async with working():
            task = await ended(store)
            late.let.set()
            folder = outputs._folder / "t1"
            await eventually(lambda: len(list(folder.glob("*.png"))) == 2)
    assert await outputs.read("t1", task.outputs[0]) == b"the one that counts"


async def test_task_that_its_full_gpu_service_refuses_goes_to_an_idle_one_after_the_hold(
    store: SQLiteTaskStore, gpu: GPUService, other_gpu: GPUService, both_working: BothWorking
) -> None:
    gpu.always(problem(429, code="no_free_slot", detail="full", retryable=True))
    await queued(store)
    task = await claimed(store, time.time(), "j1", GPU_URL)
    soon = time.time() + 0.3
    await store.release(task, not_before=0.0, spent=True, keep_job=True, held_until=soon)
    async with both_working(pace=Pace(idle=0.02, away=0.02, backoff=0.02, hold=0.3)):
        await ended(store)
    assert (len(gpu.jobs), len(other_gpu.jobs)) == (0, 1)
    assert (await kept(store)).state is TaskState.DONE
