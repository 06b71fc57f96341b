"""The embedded task store: one SQLite file, one connection, one thread.

Every write is synced to disk before its method returns (WAL with synchronous=FULL). One process
owns the data folder; a lock on it keeps a second one out.
"""

import asyncio
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from backend.errors import DataFolderInUse, StorageFull, StorageUnavailable
from backend.tasks import Outcome, Output, Task, TaskState

T = TypeVar("T")

SCHEMA = Path(__file__).with_name("schema.sql")
SCHEMA_VERSION = 1
DATABASE = "tasks.sqlite3"
LOCK = "backend.lock"
CRASHED = "The backend was killed during each attempt. Look into its log, then send it again."
COLUMNS = (
    "id, mode, workflow, params, created_at, state, attempt, "
    'started_at, finished_at, error, error_code, outputs, "values", job_id'
)
OF_THIS_ATTEMPT = "WHERE id = ? AND attempt = ? AND job_id = ? AND state = 'running'"
"""The fence: nothing that an earlier attempt, or a cancelled one, brings home is written."""


class SQLiteTaskStore:
    """Tasks in `{folder}/tasks.sqlite3`. Raises StorageFull, StorageUnavailable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="task-store")
        self._lock = -1
        self._db: sqlite3.Connection

    async def open(self) -> None:
        """Lock the folder and open the file, made where there is none. Raises DataFolderInUse."""
        await self._run(self._open)

    async def close(self) -> None:
        """Close the file and give the folder back."""
        await self._run(self._close)
        self._thread.shutdown()

    async def add(self, task: Task) -> None:
        """Keep a new task; it is on disk when this returns."""
        await self._run(self._add, task)

    async def get(self, task_id: str) -> Task | None:
        """The task of this id, if there is one."""
        return await self._run(self._get, task_id)

    async def position(self, task_id: str) -> int | None:
        """How many queued tasks are before this one; None where it does not wait."""
        return await self._run(self._position, task_id)

    async def claim(self, now: float, job_id: str) -> Task | None:
        """Take the first task that is due, as running, as a new attempt.

        It gets `job_id`, unless it has one still: a job that may go on somewhere.
        """
        return await self._run(self._claim, now, job_id)

    async def is_current(self, task: Task) -> bool:
        """Whether a claimed task is still this attempt's to run."""
        return await self._run(self._is_current, task)

    async def cancel(self, task_id: str, now: float) -> Task | None:
        """End a task that waits or runs; None where there is none to end."""
        return await self._run(self._cancel, task_id, now)

    async def finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        """End a claimed task; False where this attempt is no longer the one that counts."""
        return await self._run(self._finish, task, outcome, now)

    async def release(
        self, task: Task, *, not_before: float, spent: bool, keep_job: bool = False
    ) -> bool:
        """Put a claimed task back in its place in the queue.

        `spent` counts the attempt; `keep_job` where its job may go on, to be found again.
        """
        return await self._run(self._release, task, not_before, spent, keep_job)

    async def recover(self, max_attempts: int, now: float) -> int:
        """Queue again what ran when the last process ended, its jobs kept; its attempts count.

        What has none left has failed. Returns how many ran.
        """
        return await self._run(self._recover, max_attempts, now)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            # Shielded: what has been asked for is done, even where the caller is cancelled.
            return await asyncio.shield(loop.run_in_executor(self._thread, function, *args))
        except sqlite3.Error as exc:
            if getattr(exc, "sqlite_errorcode", None) == 13 or "full" in str(exc):  # SQLITE_FULL
                raise StorageFull(
                    f"The disk of the data folder is full: free room under {self._folder}."
                ) from exc
            raise StorageUnavailable(f"The task database cannot be used: {exc}.") from exc

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._db = _connected(self._folder / DATABASE)
        except BlockingIOError as exc:
            os.close(self._lock)
            raise DataFolderInUse(
                f"Another backend uses {self._folder}. Stop it, or set another DATA_PATH."
            ) from exc
        except BaseException:
            os.close(self._lock)
            raise

    def _close(self) -> None:
        self._db.close()
        os.close(self._lock)

    def _add(self, task: Task) -> None:
        self._db.execute(
            "INSERT INTO tasks (id, mode, workflow, params, created_at, state, attempt)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                task.id,
                task.mode,
                task.workflow,
                json.dumps(task.params),
                task.created_at,
                task.state.value,
                task.attempt,
            ),
        )

    def _get(self, task_id: str) -> Task | None:
        return self._one(f"SELECT {COLUMNS} FROM tasks WHERE id = ?", task_id)

    def _position(self, task_id: str) -> int | None:
        row = self._db.execute(
            "SELECT (SELECT count(*) FROM tasks WHERE state = 'queued' AND seq < mine.seq)"
            " FROM tasks AS mine WHERE id = ? AND state = 'queued'",
            (task_id,),
        ).fetchone()
        return None if row is None else int(row[0])

    def _claim(self, now: float, job_id: str) -> Task | None:
        return self._one(
            "UPDATE tasks SET state = 'running', attempt = attempt + 1, started_at = ?,"
            " job_id = coalesce(job_id, ?)"
            " WHERE seq = (SELECT seq FROM tasks WHERE state = 'queued' AND not_before <= ?"
            f" ORDER BY seq LIMIT 1) RETURNING {COLUMNS}",
            now,
            job_id,
            now,
        )

    def _is_current(self, task: Task) -> bool:
        return bool(
            self._db.execute(
                f"SELECT 1 FROM tasks {OF_THIS_ATTEMPT}",
                (task.id, task.attempt, task.job_id),
            ).fetchall()
        )

    def _cancel(self, task_id: str, now: float) -> Task | None:
        return self._one(
            "UPDATE tasks SET state = 'cancelled', finished_at = ?"
            f" WHERE id = ? AND state IN ('queued', 'running') RETURNING {COLUMNS}",
            now,
            task_id,
        )

    def _finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        outputs = json.dumps([asdict(output) for output in outcome.outputs])
        return self._changed(
            "UPDATE tasks SET state = ?, finished_at = ?, error = ?, error_code = ?, outputs = ?,"
            f' "values" = ? {OF_THIS_ATTEMPT}',
            outcome.state.value,
            now,
            _encodable(outcome.error),
            _encodable(outcome.error_code),
            outputs,
            json.dumps(outcome.values),
            task.id,
            task.attempt,
            task.job_id,
        )

    def _release(self, task: Task, not_before: float, spent: bool, keep_job: bool) -> bool:
        return self._changed(
            "UPDATE tasks SET state = 'queued', started_at = NULL, not_before = ?,"
            f" attempt = attempt - ?, job_id = ? {OF_THIS_ATTEMPT}",
            not_before,
            0 if spent else 1,
            task.job_id if keep_job else None,
            task.id,
            task.attempt,
            task.job_id,
        )

    def _recover(self, max_attempts: int, now: float) -> int:
        failed = self._db.execute(
            "UPDATE tasks SET state = 'failed', finished_at = ?, error = ?, error_code = ?"
            " WHERE state = 'running' AND attempt >= ?",
            (now, CRASHED, "backend_crashed", max_attempts),
        ).rowcount
        queued = self._db.execute(
            "UPDATE tasks SET state = 'queued', started_at = NULL WHERE state = 'running'"
        ).rowcount
        return failed + queued

    def _changed(self, statement: str, *values: Any) -> bool:
        return self._db.execute(statement, values).rowcount == 1

    def _one(self, statement: str, *values: Any) -> Task | None:
        # fetchall runs the statement to its end: an UPDATE … RETURNING commits only then.
        rows = self._db.execute(statement, values).fetchall()
        return _task(rows[0]) if rows else None


def _connected(path: Path) -> sqlite3.Connection:
    # No implicit transactions: each statement is one, or says BEGIN itself.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            db.execute(f"PRAGMA {pragma}")
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.executescript(
                f"BEGIN;{SCHEMA.read_text()}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
            )
    except BaseException:
        db.close()
        raise
    return db


def _encodable(text: str | None) -> str | None:
    """Somebody else's words, without the unpaired surrogates that SQLite refuses."""
    return text and text.encode("utf-8", "backslashreplace").decode()


def _task(row: sqlite3.Row) -> Task:
    fields = dict(row)
    fields["state"] = TaskState(fields["state"])
    fields["params"] = json.loads(fields["params"])
    fields["values"] = json.loads(fields["values"])
    fields["outputs"] = tuple(Output(**each) for each in json.loads(fields["outputs"]))
    return Task(**fields)
