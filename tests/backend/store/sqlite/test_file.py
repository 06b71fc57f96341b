"""The SQLite file of a data folder: brought up to date, or refused and left as it is."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from backend.errors import DatabaseUnusable, StorageUnavailable
from backend.store.sqlite.file import DATABASE, SCHEMA
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Job, Output, Priority, TaskState
from tests.backend.making import SERVICE_URL, claimed, kept, process, queued, taken

LOG = f"{DATABASE}-wal"
NEWEST = max(int(step.stem) for step in SCHEMA.glob("*.sql"))
FIRST_ROWS = """
    INSERT INTO tasks (id, mode, workflow, params, created_at, state, attempt, not_before,
                       started_at, finished_at, outputs, "values", job_id)
    VALUES
        ('waits', 'free', 'free_generation', '{"prompt": "a"}', 1000.0, 'queued', 0, 0,
         NULL, NULL, '[]', '{}', NULL),
        ('ran', 'free', 'free_generation', '{"prompt": "b"}', 1001.0, 'running', 1, 0,
         1500.0, NULL, '[]', '{}', 'j-ran'),
        ('made', 'free', 'free_generation', '{"prompt": "c"}', 1002.0, 'done', 1, 0,
         1400.0, 1450.0, '[{"file": "0.png", "content_type": "image/png", "size": 7}]',
         '{"seed": 3}', 'j-made');
"""


@contextmanager
def connected(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file as anybody may open it."""
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
        yield db


def first_version(folder: Path) -> None:
    """A file as the first version left it: one task waits, one runs, one is done."""
    with connected(folder) as db:
        db.executescript((SCHEMA / "1.sql").read_text() + FIRST_ROWS)
        db.execute("PRAGMA user_version=1")


def version_of(folder: Path) -> int:
    with connected(folder) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


async def refused(folder: Path) -> str:
    """What the store says of a file that it does not open."""
    with pytest.raises(DatabaseUnusable) as caught:
        await SQLiteTaskStore(folder).open()
    return caught.value.message


# schema versions


async def test_new_file_has_the_newest_version(tmp_path: Path) -> None:
    async with process(tmp_path):
        pass
    assert version_of(tmp_path) == NEWEST


async def test_first_version_is_brought_up_to_date_once(tmp_path: Path) -> None:
    first_version(tmp_path)
    for _ in range(2):
        async with process(tmp_path) as store:
            assert (await kept(store, "waits")).mode == "free"
    assert version_of(tmp_path) == NEWEST


async def test_task_that_waited_in_the_first_version_runs(tmp_path: Path) -> None:
    first_version(tmp_path)
    async with process(tmp_path) as store:
        task = await kept(store, "waits")
        claim = await taken(store)
    assert (task.state, task.priority, task.rank) == (TaskState.QUEUED, Priority.NORMAL, 1000.0)
    assert (task.needs, task.deadline, task.idempotency_key) == ({}, None, None)
    assert (claim.task.id, claim.params) == ("waits", {"prompt": "a"})


async def test_tasks_of_the_first_version_go_before_newer_ones(tmp_path: Path) -> None:
    first_version(tmp_path)
    async with process(tmp_path) as store:
        await queued(store, "new", created_at=1600.0, rank=1600.0)
        assert (await claimed(store)).id == "waits"


async def test_job_that_ran_in_the_first_version_is_found_again(tmp_path: Path) -> None:
    """It was on the only GPU service that there was; which one, nobody wrote down."""
    first_version(tmp_path)
    async with process(tmp_path) as store:
        await store.cancel("waits", 2000.0)
        [recovered] = await store.recover(5, 2000.0, 2020.0)
        assert (recovered.id, recovered.job) == ("ran", Job("j-ran", None))
        claim = await taken(store, 2000.1, "new")
    assert (claim.task.id, claim.task.attempt) == ("ran", 2)
    assert (claim.task.job, claim.resume) == (Job("j-ran", SERVICE_URL), True)
    assert claim.left is None


async def test_task_that_was_done_in_the_first_version_is_as_it_was(tmp_path: Path) -> None:
    first_version(tmp_path)
    async with process(tmp_path) as store:
        task = await kept(store, "made")
        assert [each.id for each in await store.oldest_ended(9)] == ["made"]
    assert (task.state, task.finished_at, task.values) == (TaskState.DONE, 1450.0, {"seed": 3})
    assert task.outputs == (Output("0.png", "image/png", 7),)


async def test_task_of_the_first_version_tells_what_happens_from_now_on(tmp_path: Path) -> None:
    first_version(tmp_path)
    async with process(tmp_path) as store:
        await claimed(store)
        event = (await store.events("waits"))[-1]
    assert (event.state, event.attempt) == (TaskState.RUNNING, 1)


async def test_newer_version_is_refused_with_the_file_named(tmp_path: Path) -> None:
    with connected(tmp_path) as db:
        db.execute("PRAGMA user_version=99")
    message = await refused(tmp_path)
    assert f"{tmp_path / DATABASE} was made by a newer version" in message
    assert f"schema 99, this one knows {NEWEST}" in message
    assert "Nothing has been changed: start that version" in message


@pytest.mark.parametrize("journal", ["wal", "delete"])
async def test_newer_version_is_left_as_it_is(tmp_path: Path, journal: str) -> None:
    with connected(tmp_path) as db:
        db.execute(f"PRAGMA journal_mode={journal}")
        db.executescript((SCHEMA / "1.sql").read_text() + FIRST_ROWS)
        db.execute("PRAGMA user_version=99")
    before = (tmp_path / DATABASE).read_bytes()
    await refused(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == before


async def test_step_that_cannot_be_taken_leaves_the_version_as_it_was(tmp_path: Path) -> None:
    with connected(tmp_path) as db:
        db.executescript((SCHEMA / "1.sql").read_text())
        db.execute("ALTER TABLE tasks ADD COLUMN fingerprint TEXT")
        db.execute("PRAGMA user_version=1")
    with pytest.raises(StorageUnavailable, match="fingerprint"):
        await SQLiteTaskStore(tmp_path).open()
    assert version_of(tmp_path) == 1
    with connected(tmp_path) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(tasks)")]
    assert "needs" not in columns


# damage


KILLED = """
import asyncio, os, sys
from pathlib import Path
from tests.backend.making import process, queued

async def main() -> None:
    async with process(Path(sys.argv[1])) as store:
        for number in range(200):
            await queued(store, f"t{number}", params={"prompt": "x" * 2000})
    async with process(Path(sys.argv[1])) as store:
        for number in range(200, 220):
            await queued(store, f"t{number}", params={"prompt": "x" * 2000})
        os._exit(9)

asyncio.run(main())
"""


def killed(folder: Path) -> Path:
    """The file of a process that was killed: the newest of its tasks are in the log beside it."""
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=root, check=False)
    assert done.returncode == 9
    assert (folder / LOG).stat().st_size > 40_000
    return folder / DATABASE


def overwritten(file: Path) -> bytes:
    """The file, damaged in its middle."""
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = b"\xa5" * 20_000
    file.write_bytes(data)
    return bytes(data)


async def test_file_of_a_killed_process_is_opened(tmp_path: Path) -> None:
    killed(tmp_path)
    async with process(tmp_path) as store:
        assert await store.queued() == 220


async def test_damaged_file_is_refused_after_an_unclean_end(tmp_path: Path) -> None:
    file = killed(tmp_path)
    overwritten(file)
    message = await refused(tmp_path)
    assert f"{file} is damaged" in message
    assert "put a backup in its place" in message


async def test_damaged_file_is_left_as_it_is_with_its_log(tmp_path: Path) -> None:
    file = killed(tmp_path)
    damaged, log = overwritten(file), (tmp_path / LOG).read_bytes()
    await refused(tmp_path)
    assert file.read_bytes() == damaged
    assert (tmp_path / LOG).read_bytes() == log


async def test_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / DATABASE
    file.write_bytes(b"something else entirely, and long enough to be looked at" * 90)
    before = file.read_bytes()
    assert f"{file} is damaged: file is not a database" in await refused(tmp_path)
    assert file.read_bytes() == before


async def test_emptied_file_with_outputs_beside_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    (tmp_path / "outputs").mkdir()
    message = await refused(tmp_path)
    assert f"{tmp_path / DATABASE} is empty, and there are outputs beside it" in message
    assert "put a backup in its place" in message
    assert (tmp_path / DATABASE).stat().st_size == 0


async def test_empty_file_with_nothing_beside_it_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    async with process(tmp_path) as store:
        await queued(store)


async def test_refused_folder_may_be_taken_by_another(tmp_path: Path) -> None:
    (tmp_path / DATABASE).touch()
    (tmp_path / "outputs").mkdir()
    await refused(tmp_path)
    (tmp_path / DATABASE).unlink()
    async with process(tmp_path) as store:
        await queued(store)


async def test_folder_of_any_name_is_taken(tmp_path: Path) -> None:
    for _ in range(2):
        async with process(tmp_path / "50% of? what #is ü") as store:
            await store.queued()
