"""The background worker: full disks, stops and crashes."""

from pathlib import Path

import anyio
import pytest

from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.upkeep import Upkeep
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.gpu_service import GPUService, a_picture
from tests.backend.making import kept, process, queued
from tests.backend.services.working import (
    FullDisk,
    FullStore,
    SlowStore,
    Working,
    after_a_kill,
    ended,
    opened,
)
from tests.conditions import eventually


async def test_task_whose_image_finds_no_room_is_put_back_and_done_later(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    full_disk: FullDisk,
    full_runner: AttemptRunner,
) -> None:
    gpu.makes = [a_picture()]
    await queued(store)
    async with working(runner=full_runner, max_attempts=1):
        await eventually(lambda: gpu.put.call_count > 1)
        assert not (await kept(store)).state.ended
        full_disk.full = False
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)


async def test_worker_stops_while_the_disk_is_full(
    gpu: GPUService, working: Working, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.holds()
    async with opened(FullStore(tmp_path / "full")) as store:
        await queued(store)
        with anyio.fail_after(5):
            async with working(store):
                await eventually(lambda: gpu.jobs)
        assert "cannot be put back: The disk is full." in caplog.text
        assert (await kept(store)).state is TaskState.RUNNING
    async with process(tmp_path / "full") as store:
        assert [task.id for task in await store.recover(5, 0.0, 0.0)] == ["t1"]


async def test_stop_amid_an_attempt_queues_the_task_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.holds()
    await queued(store)
    async with working():
        await eventually(lambda: gpu.jobs)
    task = await kept(store)
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)


async def test_stop_amid_a_claim_queues_the_task_again(
    gpu: GPUService, working: Working, tmp_path: Path
) -> None:
    slow = SlowStore(tmp_path / "slow")
    async with opened(slow) as store:
        await queued(store)
        async with working(store):
            await eventually(lambda: slow.claiming)
        task = await kept(store)
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)
    assert not gpu.put.called


async def test_stop_does_not_wait_for_the_gpu_service(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.holds()
    await queued(store)
    with anyio.fail_after(2):
        async with working():
            await eventually(lambda: gpu.jobs)


async def test_stopped_worker_is_not_alive(gpu: GPUService, working: Working) -> None:
    async with working() as worker:
        assert worker.alive
    assert not worker.alive


async def test_what_ran_when_the_process_was_killed_runs_again(
    gpu: GPUService, working: Working, services: GPUServices, live: LiveHub, tmp_path: Path
) -> None:
    async with (
        after_a_kill(tmp_path / "killed") as store,
        Upkeep(store, services, live, max_attempts=5),
        working(store),
    ):
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 2)


async def test_task_that_kills_every_process_has_failed(
    gpu: GPUService, working: Working, services: GPUServices, live: LiveHub, tmp_path: Path
) -> None:
    async with (
        after_a_kill(tmp_path / "killed") as store,
        Upkeep(store, services, live, max_attempts=1),
        working(store, max_attempts=1),
    ):
        task = await kept(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "backend_crashed")
    assert not gpu.put.called


async def test_late_result_is_dropped(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    live: LiveHub,
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = gpu.holds()
    await queued(store)
    async with working():
        await eventually(lambda: gpu.jobs)
        others = Outcome(TaskState.FAILED, error="ended by somebody else")
        await store.finish(await kept(store), others, 0.0)
        with live.watch("t1") as watch:
            release.set()
            await eventually(lambda: "late result of attempt 1 dropped" in caplog.text)
            assert not watch.ended.is_set()
    assert (await kept(store)).error == "ended by somebody else"
