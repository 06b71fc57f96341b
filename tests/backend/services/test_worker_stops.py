"""The background worker: full disks, stops and crashes."""

from pathlib import Path

import anyio
import pytest

from backend.services.task_ends import TaskEnds
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.gpu_service import GPUService, a_picture
from tests.backend.making import a_task
from tests.backend.services.working import FullStore, SlowStore, Working, ended, kept, opened
from tests.conditions import eventually


async def test_task_whose_image_finds_no_room_is_put_back_and_done_later(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, tmp_path: Path
) -> None:
    gpu.makes = [a_picture()]
    part = tmp_path / "data" / "outputs" / "t1" / ".0.png.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    await store.add(a_task())
    async with working(max_attempts=1):
        await eventually(lambda: gpu.put.call_count > 1)
        assert not (await kept(store)).state.ended
        part.unlink()
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)


async def test_worker_stops_while_the_disk_is_full(
    gpu: GPUService, working: Working, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.holds()
    async with opened(FullStore(tmp_path / "full")) as store:
        await store.add(a_task())
        with anyio.fail_after(5):
            async with working(store):
                await eventually(lambda: gpu.jobs)
        assert "cannot be put back: The disk is full." in caplog.text
        assert (await kept(store)).state is TaskState.RUNNING
        assert await store.recover(5, 0.0) == 1


async def test_stop_amid_an_attempt_queues_the_task_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.holds()
    await store.add(a_task())
    async with working():
        await eventually(lambda: gpu.jobs)
    task = await kept(store)
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)


async def test_stop_amid_a_claim_queues_the_task_again(
    gpu: GPUService, working: Working, tmp_path: Path
) -> None:
    slow = SlowStore(tmp_path / "slow")
    async with opened(slow) as store:
        await store.add(a_task())
        async with working(store):
            await eventually(lambda: slow.claiming)
        task = await kept(store)
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)
    assert not gpu.put.called


async def test_stop_does_not_wait_for_the_gpu_service(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.holds()
    await store.add(a_task())
    with anyio.fail_after(2):
        async with working():
            await eventually(lambda: gpu.jobs)


async def test_stopped_worker_is_not_alive(gpu: GPUService, working: Working) -> None:
    async with working() as worker:
        assert worker.alive
    assert not worker.alive


async def test_what_ran_when_the_process_was_killed_runs_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    await store.add(a_task())
    await store.claim(0.0, "j1")
    async with working():
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 2)


async def test_task_that_kills_every_process_has_failed(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    await store.add(a_task())
    await store.claim(0.0, "j1")
    async with working(max_attempts=1):
        task = await kept(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "backend_crashed")
    assert not gpu.put.called


async def test_late_result_is_dropped(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    ends: TaskEnds,
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = gpu.holds()
    await store.add(a_task())
    async with working():
        await eventually(lambda: gpu.jobs)
        others = Outcome(TaskState.FAILED, error="ended by somebody else")
        await store.finish(await kept(store), others, 0.0)
        with ends.watch("t1") as event:
            release.set()
            await eventually(lambda: "late result of attempt 1 dropped" in caplog.text)
            assert not event.is_set()
    assert (await kept(store)).error == "ended by somebody else"
