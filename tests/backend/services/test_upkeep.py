"""What has to be done now and then, so that no task waits for ever."""

import time
from pathlib import Path

import anyio
import pytest

from backend.errors import StorageUnavailable
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.upkeep import Upkeep
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Task, TaskState
from tests.backend.gpu_service import OTHER_URL, GPUService
from tests.backend.making import claimed, kept, offered, queued, taken
from tests.backend.services.working import after_a_kill, ended, opened
from tests.conditions import eventually

SOON = 0.01


class MovingStore(SQLiteTaskStore):
    """A store that is away for a while, and once does what none should."""

    trouble: list[Exception]

    async def expire(self, now: float) -> list[Task]:
        if self.trouble:
            raise self.trouble.pop()
        return await super().expire(now)


@pytest.fixture
def upkeep(store: SQLiteTaskStore, services: GPUServices, live: LiveHub) -> Upkeep:
    return Upkeep(store, services, live, max_attempts=5, seconds=SOON)


async def test_what_ran_in_a_killed_process_waits_again_at_once(
    gpu: GPUService, services: GPUServices, live: LiveHub, tmp_path: Path
) -> None:
    async with (
        after_a_kill(tmp_path / "killed") as store,
        Upkeep(store, services, live, max_attempts=5),
    ):
        task = await kept(store)
    assert (task.state, task.attempt, task.job_id) == (TaskState.QUEUED, 1, "j1")


async def test_job_of_a_killed_process_is_left_to_its_service_for_a_while(
    gpu: GPUService, services: GPUServices, live: LiveHub, tmp_path: Path
) -> None:
    async with after_a_kill(tmp_path / "killed") as store:
        now = time.time()
        async with Upkeep(store, services, live, max_attempts=5, hold_seconds=50):
            pass
        assert await offered(store, now + 49, "new", OTHER_URL) is None
        assert (await taken(store, now + 55, "new", OTHER_URL)).task.id == "t1"


async def test_task_that_killed_every_process_has_failed_and_is_told(
    gpu: GPUService, services: GPUServices, live: LiveHub, tmp_path: Path
) -> None:
    async with after_a_kill(tmp_path / "killed") as store:
        with live.watch("t1") as watch:
            async with Upkeep(store, services, live, max_attempts=1):
                assert watch.ended.is_set()
        task = await kept(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "backend_crashed")


async def test_what_runs_in_this_process_is_left_alone(
    gpu: GPUService, upkeep: Upkeep, store: SQLiteTaskStore
) -> None:
    await queued(store)
    task = await claimed(store)
    async with upkeep:
        assert await kept(store) == task


@pytest.mark.parametrize("runs", [False, True], ids=["queued", "running"])
async def test_task_is_cancelled_at_its_deadline_and_that_is_told(
    gpu: GPUService, upkeep: Upkeep, store: SQLiteTaskStore, live: LiveHub, runs: bool
) -> None:
    async with upkeep:
        await queued(store, deadline=time.time() + 0.05)
        if runs:
            await claimed(store)
        with live.watch("t1") as watch:
            task = await ended(store)
            with anyio.fail_after(5):
                await watch.ended.wait()
        assert (task.state, task.error_code) == (TaskState.CANCELLED, "deadline_passed")
        await eventually(lambda: gpu.cancelled == (["j1"] if runs else []))


async def test_task_whose_deadline_passed_while_nobody_was_there_is_cancelled_at_the_start(
    gpu: GPUService, upkeep: Upkeep, store: SQLiteTaskStore
) -> None:
    await queued(store, deadline=1001.0)
    async with upkeep:
        assert (await kept(store)).state is TaskState.CANCELLED


async def test_job_that_cannot_be_cancelled_stops_nothing(
    gpu: GPUService, upkeep: Upkeep, store: SQLiteTaskStore
) -> None:
    gpu.goes_away()
    for name in ("a", "b"):
        await queued(store, name, deadline=1001.0)
        await claimed(store, job_id=name)
    async with upkeep:
        states = {(await kept(store, name)).state for name in ("a", "b")}
        assert upkeep.alive
    assert states == {TaskState.CANCELLED}
    assert gpu.delete.call_count == 2


@pytest.mark.parametrize(
    "trouble", [StorageUnavailable("It is locked."), RuntimeError("nobody expects this")]
)
async def test_trouble_is_told_and_upkeep_goes_on(
    gpu: GPUService,
    services: GPUServices,
    live: LiveHub,
    tmp_path: Path,
    trouble: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    moving = MovingStore(tmp_path / "moving")
    moving.trouble = []
    async with (
        opened(moving) as store,
        Upkeep(store, services, live, max_attempts=5, seconds=SOON) as upkeep,
    ):
        moving.trouble = [trouble, trouble]
        await eventually(lambda: not moving.trouble)
        await queued(store, deadline=1001.0)
        assert (await ended(store)).state is TaskState.CANCELLED
        assert upkeep.alive
    words = "It is locked." if isinstance(trouble, StorageUnavailable) else "this is a bug"
    assert words in caplog.text


async def test_it_is_alive_while_it_is_entered(gpu: GPUService, upkeep: Upkeep) -> None:
    assert not upkeep.alive
    async with upkeep:
        assert upkeep.alive
    assert not upkeep.alive
