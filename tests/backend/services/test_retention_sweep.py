"""Folders that no task refers to, and uploads."""

import os
from pathlib import Path

import pytest

from backend.services.retention import DAY, HOUR
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Attachment, TaskState
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outputs"


@pytest.fixture
def disk(folder: Path, store: SQLiteTaskStore) -> Disk:
    return Disk(folder, store)


@pytest.mark.parametrize("bounds", [{"gigabytes": 1}, {"days": 0.001}])
async def test_folder_without_a_task_goes(
    store: SQLiteTaskStore, disk: Disk, folder: Path, bounds: dict[str, float]
) -> None:
    left(folder, 1, ago=HOUR)
    await all_is_done(store, disk, **bounds)
    assert names(folder) == []


@pytest.mark.parametrize(
    ("bounds", "ago"),
    [({"gigabytes": 1}, HOUR - 1), ({"days": 0.001}, HOUR - 1), ({"days": 2}, 2 * DAY - 1)],
)
async def test_folder_without_a_task_stays_as_long_as_a_task_s_would(
    store: SQLiteTaskStore, disk: Disk, folder: Path, bounds: dict[str, float], ago: float
) -> None:
    """Whoever has lost the database may put a backup in its place."""
    path = left(folder, 1, ago=ago)
    await all_is_done(store, disk, **bounds)
    assert path.exists()


async def test_folder_without_a_task_stays_where_everything_does(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    path = left(folder, 1, ago=10_000 * DAY)
    await all_is_done(store, disk)
    assert path.exists()


@pytest.mark.parametrize("state", [TaskState.CANCELLED, TaskState.FAILED])
async def test_what_a_task_saved_that_ended_without_outputs_goes(
    store: SQLiteTaskStore, disk: Disk, folder: Path, state: TaskState
) -> None:
    """A cancel, or a crash, while its files were saved."""
    await ended(store, disk, 1, state=state)
    left(folder, 1, ago=HOUR)
    await all_is_done(store, disk)
    assert names(folder) == []
    assert await kept(store, 1) == [1]


async def test_what_was_sent_with_a_failed_task_stays_for_its_retry(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    sent = (Attachment("image", "0.png", 4),)
    await ended(store, disk, 1, state=TaskState.FAILED, attachments=sent)
    path = left(folder, 1, ago=10 * DAY)
    await all_is_done(store, disk, gigabytes=1)
    assert path.exists()


async def test_what_it_saved_just_now_stays_for_an_hour(
    store: SQLiteTaskStore, disk: Disk, folder: Path
) -> None:
    await ended(store, disk, 1, state=TaskState.CANCELLED)
    path = left(folder, 1, ago=HOUR - 1)
    await all_is_done(store, disk)
    assert path.exists()


async def test_outputs_of_a_task_stay(store: SQLiteTaskStore, disk: Disk, folder: Path) -> None:
    await ended(store, disk, 1)
    path = left(folder, 1, ago=10 * DAY)
    await all_is_done(store, disk, gigabytes=1)
    assert path.exists()


@pytest.mark.parametrize("name", ["uploads", "somebody's", task_id(1).replace("-", "")])
async def test_folders_that_are_not_of_tasks_stay(
    store: SQLiteTaskStore, disk: Disk, folder: Path, name: str
) -> None:
    (folder / name).mkdir(parents=True)
    os.utime(folder / name, (0, 0))
    await all_is_done(store, disk, days=1, gigabytes=1)
    assert (folder / name).exists()


@pytest.mark.parametrize(("days", "stays"), [(2, ["new"]), (0, ["new", "old"])])
async def test_uploads_live_as_long_as_tasks(
    store: SQLiteTaskStore, disk: Disk, folder: Path, days: float, stays: list[str]
) -> None:
    for name, ago in (("old", 3 * DAY), ("new", DAY)):
        await disk.put("uploads", name, b"data")
        os.utime(folder / "uploads" / name, (NOW - ago, NOW - ago))
    await all_is_done(store, disk, days=days)
    assert names(folder / "uploads") == stays
