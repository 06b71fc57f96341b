"""The embedded task store: what it does beside what every store does."""

import asyncio
import threading
from pathlib import Path

import pytest

from backend.errors import DatabaseUnusable, DataFolderInUse, StorageFull
from backend.store.sqlite.file import DATABASE
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Output, TaskState
from tests.backend.making import a_task, claimed, kept, queued
from tests.conditions import eventually

DONE = Outcome(TaskState.DONE, outputs=(Output("0.png", "image/png", 7),))


async def test_write_is_done_though_its_caller_is_cancelled(store: SQLiteTaskStore) -> None:
    """A result that is at hand when the process stops is not thrown away."""
    await queued(store)
    task = await claimed(store)
    free = threading.Event()
    busy = store._thread.submit(free.wait)
    finishing = asyncio.create_task(store.finish(task, DONE, 2500.0))
    await eventually(lambda: busy.running() and store._thread._work_queue.qsize())
    finishing.cancel()
    await asyncio.gather(finishing, return_exceptions=True)
    free.set()
    await asyncio.wrap_future(busy)
    assert (await kept(store)).state is TaskState.DONE


async def test_second_store_on_the_folder_is_refused(
    store: SQLiteTaskStore, tmp_path: Path
) -> None:
    with pytest.raises(DataFolderInUse, match=str(tmp_path / "data")):
        await SQLiteTaskStore(tmp_path / "data").open()


async def test_refused_store_leaves_the_first_at_work(
    store: SQLiteTaskStore, tmp_path: Path
) -> None:
    with pytest.raises(DataFolderInUse):
        await SQLiteTaskStore(tmp_path / "data").open()
    await queued(store)
    assert await kept(store) == a_task()


async def test_closed_store_gives_the_folder_back(tmp_path: Path) -> None:
    first, second = SQLiteTaskStore(tmp_path), SQLiteTaskStore(tmp_path)
    await first.open()
    await first.close()
    await second.open()
    await second.close()


async def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_text("something else entirely, and long enough to be looked at" * 9)
    with pytest.raises(DatabaseUnusable, match="file is not a database"):
        await SQLiteTaskStore(tmp_path).open()


async def test_store_that_could_not_open_gives_the_folder_back(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_text("something else entirely, and long enough to be looked at" * 9)
    with pytest.raises(DatabaseUnusable):
        await SQLiteTaskStore(tmp_path).open()
    (tmp_path / DATABASE).unlink()
    store = SQLiteTaskStore(tmp_path)
    await store.open()
    await store.close()


async def test_full_disk_is_told_with_the_folder(store: SQLiteTaskStore, tmp_path: Path) -> None:
    # SQLite's own bound on the file's size says the same as a disk without room.
    await asyncio.wrap_future(
        store._thread.submit(store._tasks._db.execute, "PRAGMA max_page_count=1")
    )
    with pytest.raises(StorageFull, match=f"free room under {tmp_path / 'data'}"):
        await queued(store, params={"prompt": "x" * 100_000})


async def test_full_disk_loses_nothing_that_is_there(store: SQLiteTaskStore) -> None:
    await queued(store, "before")
    await asyncio.wrap_future(
        store._thread.submit(store._tasks._db.execute, "PRAGMA max_page_count=1")
    )
    with pytest.raises(StorageFull):
        await queued(store, "during", params={"prompt": "x" * 100_000})
    assert await kept(store, "before") == a_task("before")
    assert await store.get("during") is None


async def test_every_write_is_synced(store: SQLiteTaskStore) -> None:
    def pragma(name: str) -> str | int:
        value: str | int = store._tasks._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    names = ("journal_mode", "synchronous", "locking_mode")
    values = [await asyncio.wrap_future(store._thread.submit(pragma, name)) for name in names]
    assert values == ["wal", 2, "exclusive"]
