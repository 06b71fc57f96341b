"""Old tasks and their files."""

from pathlib import Path

import pytest

from backend.errors import StorageUnavailable
from backend.services.retention import DAY, GB, Retention
from backend.store.outputs.local import LocalOutputStore
from backend.store.outputs.output_store import Folder
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.making import claimed, queued
from tests.backend.services.retaining import (
    NOW,
    Disk,
    all_is_done,
    ended,
    kept,
    left,
    names,
    task_id,
)
from tests.conditions import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outputs"


@pytest.fixture
def disk(folder: Path, store: SQLiteTaskStore) -> Disk:
    return Disk(folder, store)


async def test_task_that_ended_too_long_ago_goes_with_its_files(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    await ended(store, disk, 1, ago=3 * DAY)
    await ended(store, disk, 2, ago=1 * DAY)
    await all_is_done(store, disk, days=2)
    assert await kept(store, 1, 2) == [2]
    assert names(folder) == [task_id(2)]


@pytest.mark.parametrize("state", [TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED])
async def test_however_it_ended(store: SQLiteTaskStore, disk: Disk, state: TaskState) -> None:
    await ended(store, disk, 1, ago=3 * DAY, state=state)
    await all_is_done(store, disk, days=2)
    assert await kept(store, 1) == []


async def test_many_old_tasks_go_in_one_round(store: SQLiteTaskStore, disk: Disk) -> None:
    for number in range(45):
        await ended(store, disk, number, ago=3 * DAY)
    await all_is_done(store, disk, days=2)
    assert await store.oldest_ended(1) == []


async def test_oldest_go_first_until_the_rest_is_small_enough(
    store: SQLiteTaskStore, disk: Disk
) -> None:
    await ended(store, disk, 1, ago=10, size=GB)
    await ended(store, disk, 2, ago=30, size=GB)
    await ended(store, disk, 3, ago=20, size=GB)
    await all_is_done(store, disk, gigabytes=1.5)
    assert await kept(store, 1, 2, 3) == [1]


async def test_many_small_tasks_go_until_the_rest_is_small_enough(
    store: SQLiteTaskStore, disk: Disk
) -> None:
    for number in range(60):
        await ended(store, disk, number, ago=60 - number, size=GB // 10)
    await all_is_done(store, disk, gigabytes=1.05)
    assert await kept(store, *range(60)) == list(range(50, 60))


async def test_what_was_sent_counts_too(store: SQLiteTaskStore, disk: Disk) -> None:
    for number in (1, 2):
        await queued(store, task_id(number), params={"image": "x" * 100_000})
        task = await claimed(store, job_id=f"job {number}")
        await store.finish(task, Outcome(TaskState.FAILED), NOW + number)
    await all_is_done(store, disk, gigabytes=100_000 / GB)
    assert await kept(store, 1, 2) == []


async def test_without_bounds_everything_stays(store: SQLiteTaskStore, disk: Disk) -> None:
    await ended(store, disk, 1, ago=10_000 * DAY, size=1000 * GB)
    await all_is_done(store, disk)
    assert await kept(store, 1) == [1]


async def test_task_that_has_not_ended_stays(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    await queued(store, task_id(1), created_at=0.0)
    await claimed(store, now=0.0)
    await queued(store, task_id(2), created_at=0.0)
    for number in (1, 2):
        left(folder, number, ago=10 * DAY)
    await all_is_done(store, disk, days=0.001, gigabytes=1 / GB)
    assert await kept(store, 1, 2) == [1, 2]
    assert names(folder) == [task_id(1), task_id(2)]


async def test_task_is_gone_before_its_files_are(store: SQLiteTaskStore, disk: Disk) -> None:
    await ended(store, disk, 1, ago=3 * DAY)
    await all_is_done(store, disk, days=2)
    assert disk.shown == [None]


async def test_files_that_a_kill_left_go_at_the_next_start(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    await ended(store, disk, 1, ago=3 * DAY)
    left(folder, 1, ago=3 * DAY)
    await store.remove(task_id(1))
    await all_is_done(store, disk, days=2)
    assert names(folder) == []


async def test_files_that_cannot_be_removed_are_removed_later(
    store: SQLiteTaskStore, disk: Disk, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk.away = {await ended(store, disk, 1, ago=3 * DAY)}
    async with Retention(
        store, disk, days=2, gigabytes=0, seconds=0.001, clock=lambda: NOW
    ) as retention:
        await eventually(lambda: len(disk.shown) > 2)
        assert "stay for now: The disk is away." in caplog.text
        assert retention.alive
        disk.away = set()
        await eventually(lambda: not names(folder))


async def test_files_that_cannot_be_removed_stop_no_others(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    disk.away = {await ended(store, disk, 1, ago=4 * DAY)}
    await ended(store, disk, 2, ago=3 * DAY)
    await all_is_done(store, disk, days=2)
    assert names(folder) == [task_id(1)]


async def test_folders_are_looked_through_once_and_then_now_and_then(
    store: SQLiteTaskStore, disk: Disk
) -> None:
    disk.away = {await ended(store, disk, 1, ago=3 * DAY)}
    async with Retention(store, disk, days=2, gigabytes=0, seconds=0.001, clock=lambda: NOW):
        await eventually(lambda: len(disk.shown) > 5)  # Each round tries to remove it.
    assert disk.sweeps == 1


async def test_store_that_is_away_is_tried_again(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(SQLiteTaskStore):
        away = True

        async def oldest_ended(self, limit: int) -> list[Task]:
            if self.away:
                raise StorageUnavailable("The database is away.")
            return await super().oldest_ended(limit)

    store = Away(tmp_path / "away")
    await store.open()
    await ended(store, disk, 1, ago=3 * DAY)
    async with Retention(
        store, disk, days=2, gigabytes=0, seconds=0.001, clock=lambda: NOW
    ) as retention:
        await eventually(lambda: caplog.text.count("cannot be removed now: The database is") > 1)
        assert retention.alive
        store.away = False
        await eventually(lambda: disk.shown)
    await store.close()


async def test_a_bug_is_logged_and_does_not_end_it(
    store: SQLiteTaskStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Buggy(LocalOutputStore):
        async def folders(self) -> list[Folder]:
            raise ZeroDivisionError

    async with Retention(
        store, Buggy(folder), days=1, gigabytes=0, seconds=0.001, sweep_seconds=0
    ) as retention:
        await eventually(lambda: caplog.text.count("this is a bug") > 1)
        assert retention.alive


async def test_it_ends_when_it_is_left(store: SQLiteTaskStore, disk: Disk) -> None:
    retention = Retention(store, disk, days=1, gigabytes=1)
    assert not retention.alive
    async with retention:
        assert retention.alive
    assert not retention.alive
