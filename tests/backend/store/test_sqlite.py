"""The embedded task store."""

import asyncio
import threading
from pathlib import Path

import pytest

from backend.errors import DataFolderInUse, StorageFull, StorageUnavailable
from backend.store.sqlite import DATABASE, SQLiteTaskStore
from backend.tasks import Outcome, Output, Task, TaskState
from tests.backend.making import a_task
from tests.conditions import eventually

DONE = Outcome(TaskState.DONE, outputs=(Output("0.png", "image/png", 7),))


async def claimed(store: SQLiteTaskStore, now: float = 2000.0) -> Task:
    task = await store.claim(now, "j1")
    assert task is not None
    return task


async def kept(store: SQLiteTaskStore, task_id: str = "t1") -> Task:
    task = await store.get(task_id)
    assert task is not None
    return task


async def test_task_comes_back_as_it_was(store: SQLiteTaskStore) -> None:
    task = a_task(params={"prompt": "ü\x00\n", "seed": 2**64, "nested": [{"a": None}]})
    await store.add(task)
    assert await store.get("t1") == task


async def test_unknown_task_is_none(store: SQLiteTaskStore) -> None:
    assert await store.get("t1") is None


async def test_tasks_outlive_the_process(tmp_path: Path) -> None:
    for _ in range(2):
        store = SQLiteTaskStore(tmp_path)
        await store.open()
        if await store.get("t1") is None:
            await store.add(a_task())
        await store.close()
    store = SQLiteTaskStore(tmp_path)
    await store.open()
    assert await store.get("t1") == a_task()
    await store.close()


async def test_claim_takes_the_first_that_came(store: SQLiteTaskStore) -> None:
    for name in ("c", "a", "b"):
        await store.add(a_task(name))
    assert [(await claimed(store)).id for _ in range(3)] == ["c", "a", "b"]


async def test_claim_of_nothing_is_none(store: SQLiteTaskStore) -> None:
    assert await store.claim(2000.0, "j1") is None


async def test_claimed_task_runs_as_a_new_attempt(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    task = await claimed(store, 2000.0)
    assert (task.state, task.attempt, task.started_at) == (TaskState.RUNNING, 1, 2000.0)
    assert await store.get("t1") == task


async def test_task_is_claimed_once(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    claims = await asyncio.gather(*(store.claim(2000.0, "j1") for _ in range(10)))
    assert len([task for task in claims if task is not None]) == 1


async def test_claim_passes_over_what_is_not_due(store: SQLiteTaskStore) -> None:
    await store.add(a_task("early"))
    await store.add(a_task("late"))
    await store.release(await claimed(store), not_before=3000.0, spent=True)
    assert (await claimed(store, 2999.9)).id == "late"
    assert await store.claim(2999.9, "j1") is None
    assert (await claimed(store, 3000.0)).id == "early"


async def test_released_task_keeps_its_place(store: SQLiteTaskStore) -> None:
    for name in ("first", "second"):
        await store.add(a_task(name))
    await store.release(await claimed(store), not_before=0.0, spent=True)
    assert (await claimed(store)).id == "first"


@pytest.mark.parametrize(("spent", "attempt"), [(True, 1), (False, 0)])
async def test_release_counts_what_is_spent(
    store: SQLiteTaskStore, spent: bool, attempt: int
) -> None:
    await store.add(a_task())
    assert await store.release(await claimed(store), not_before=0.0, spent=spent)
    task = await kept(store)
    assert (task.state, task.attempt, task.started_at) == (TaskState.QUEUED, attempt, None)


async def test_finish_keeps_the_outcome(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    assert await store.finish(await claimed(store), DONE, 2500.0)
    task = await kept(store)
    assert (task.state, task.finished_at, task.outputs) == (TaskState.DONE, 2500.0, DONE.outputs)


async def test_finish_keeps_the_error(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    outcome = Outcome(TaskState.FAILED, error="too big", error_code="oom")
    assert await store.finish(await claimed(store), outcome, 2500.0)
    task = await kept(store)
    assert (task.state, task.error, task.error_code) == (TaskState.FAILED, "too big", "oom")


async def test_error_with_an_unpaired_surrogate_is_kept(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    outcome = Outcome(TaskState.FAILED, error="no file 'a\udcff'", error_code="oom")
    assert await store.finish(await claimed(store), outcome, 2500.0)
    assert (await kept(store)).error == "no file 'a\\udcff'"


async def test_finish_of_an_earlier_attempt_is_dropped(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    late = await claimed(store)
    await store.release(late, not_before=0.0, spent=True)
    current = await claimed(store)
    assert not await store.finish(late, DONE, 2500.0)
    assert await kept(store) == current


async def test_finish_of_an_ended_task_is_dropped(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    task = await claimed(store)
    await store.finish(task, DONE, 2500.0)
    assert not await store.finish(task, Outcome(TaskState.FAILED, error="late"), 2600.0)
    assert (await kept(store)).state is TaskState.DONE


async def test_release_of_an_earlier_attempt_is_dropped(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    late = await claimed(store)
    await store.release(late, not_before=0.0, spent=True)
    current = await claimed(store)
    assert not await store.release(late, not_before=0.0, spent=True)
    assert await kept(store) == current


async def test_position_counts_the_queued_before(store: SQLiteTaskStore) -> None:
    for name in ("runs", "first", "second"):
        await store.add(a_task(name))
    await claimed(store)
    assert await store.position("runs") is None
    assert await store.position("first") == 0
    assert await store.position("second") == 1
    assert await store.position("unknown") is None


async def test_recover_queues_what_ran(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    await claimed(store)
    assert await store.recover(5, 3000.0) == 1
    task = await kept(store)
    assert (task.state, task.attempt, task.started_at) == (TaskState.QUEUED, 1, None)


async def test_recover_leaves_what_did_not_run(store: SQLiteTaskStore) -> None:
    await store.add(a_task("done"))
    await store.finish(await claimed(store), DONE, 2500.0)
    await store.add(a_task("queued"))
    before = [await kept(store, name) for name in ("done", "queued")]
    assert await store.recover(1, 3000.0) == 0
    assert [await kept(store, name) for name in ("done", "queued")] == before


async def test_recover_fails_what_has_no_attempt_left(store: SQLiteTaskStore) -> None:
    await store.add(a_task())
    for _ in range(2):
        await claimed(store)
        assert await store.recover(2, 3000.0) == 1
    task = await kept(store)
    assert (task.state, task.attempt, task.finished_at) == (TaskState.FAILED, 2, 3000.0)
    assert task.error_code == "backend_crashed"
    assert task.error is not None
    assert "send it again" in task.error


async def test_write_is_done_though_its_caller_is_cancelled(store: SQLiteTaskStore) -> None:
    """A result that is at hand when the process stops is not thrown away."""
    await store.add(a_task())
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
    await store.add(a_task())
    assert await kept(store) == a_task()


async def test_closed_store_gives_the_folder_back(tmp_path: Path) -> None:
    first, second = SQLiteTaskStore(tmp_path), SQLiteTaskStore(tmp_path)
    await first.open()
    await first.close()
    await second.open()
    await second.close()


async def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_text("something else entirely, and long enough to be looked at" * 9)
    with pytest.raises(StorageUnavailable, match="file is not a database"):
        await SQLiteTaskStore(tmp_path).open()


async def test_store_that_could_not_open_gives_the_folder_back(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_text("something else entirely, and long enough to be looked at" * 9)
    with pytest.raises(StorageUnavailable):
        await SQLiteTaskStore(tmp_path).open()
    (tmp_path / DATABASE).unlink()
    store = SQLiteTaskStore(tmp_path)
    await store.open()
    await store.close()


async def test_full_disk_is_told_with_the_folder(store: SQLiteTaskStore, tmp_path: Path) -> None:
    # SQLite's own bound on the file's size says the same as a disk without room.
    await asyncio.wrap_future(store._thread.submit(store._db.execute, "PRAGMA max_page_count=1"))
    with pytest.raises(StorageFull, match=f"free room under {tmp_path / 'data'}"):
        await store.add(a_task(params={"prompt": "x" * 100_000}))


async def test_full_disk_loses_nothing_that_is_there(store: SQLiteTaskStore) -> None:
    await store.add(a_task("before"))
    await asyncio.wrap_future(store._thread.submit(store._db.execute, "PRAGMA max_page_count=1"))
    with pytest.raises(StorageFull):
        await store.add(a_task("during", params={"prompt": "x" * 100_000}))
    assert await kept(store, "before") == a_task("before")
    assert await store.get("during") is None


async def test_every_write_is_synced(store: SQLiteTaskStore) -> None:
    def pragma(name: str) -> str | int:
        value: str | int = store._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    names = ("journal_mode", "synchronous", "locking_mode")
    values = [await asyncio.wrap_future(store._thread.submit(pragma, name)) for name in names]
    assert values == ["wal", 2, "exclusive"]
