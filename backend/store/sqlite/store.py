"""The embedded task store: one SQLite file, one connection, one thread.

Every write is synced to disk before its method returns (WAL with synchronous=FULL). One process
owns the data folder; a lock on it keeps a second one out.
"""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from backend.access import UNBOUNDED, Bounds
from backend.errors import StorageFull, StorageUnavailable
from backend.store.census import Backlog, TaskGroup
from backend.store.runs import Run
from backend.store.sqlite.file import DataFolder
from backend.store.sqlite.outbox import SQLiteOutbox
from backend.store.sqlite.tasks import Addition, SQLiteTasks
from backend.store.task_store import Serves, TaskStore
from backend.store.webhook_outbox import Delivery, DeliveryFilter, Result, WebhookOutbox
from backend.tasks import Claim, Outcome, Task, TaskEvent, TaskFilter

T = TypeVar("T")

SQLITE_FULL = 13


class SQLiteTaskStore(TaskStore, WebhookOutbox):
    """Tasks in `{folder}/tasks.sqlite3`. A worker that is no more is an earlier process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owned = DataFolder(folder)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="task-store")
        self._additions: list[tuple[Addition, asyncio.Future[None]]] = []
        self._adding: asyncio.Task[None] | None = None
        self._tasks: SQLiteTasks
        self._outbox: SQLiteOutbox

    async def open(self) -> None:
        await self._run(self._open)

    async def close(self) -> None:
        if self._adding is not None:
            await asyncio.wait([self._adding])
        await self._run(self._close)
        self._thread.shutdown()

    async def add(
        self, task: Task, params: Mapping[str, Any], bounds: Bounds = UNBOUNDED
    ) -> tuple[Task, bool]:
        # What comes while the thread is busy is added, and synced to disk, together.
        addition, added = Addition(task, params, bounds), asyncio.get_running_loop().create_future()
        self._additions.append((addition, added))
        if self._adding is None or self._adding.done():
            self._adding = asyncio.create_task(self._add_waiting(), name="additions")
        await added
        try:
            return addition.result()
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    async def get(self, task_id: str) -> Task | None:
        return await self._run(self._tasks.get, task_id)

    async def by_key(self, idempotency_key: str, owner: str | None) -> Task | None:
        return await self._run(self._tasks.by_key, idempotency_key, owner)

    async def newest(
        self, wanted: TaskFilter, before: int | None, limit: int
    ) -> list[tuple[int, Task]]:
        return await self._run(self._tasks.newest, wanted, before, limit)

    async def run_seconds(self, workflow: str, limit: int) -> list[float]:
        return await self._run(self._tasks.run_seconds, workflow, limit)

    async def running(self) -> list[Run]:
        return await self._run(self._tasks.running)

    async def position(self, task_id: str) -> int | None:
        return await self._run(self._tasks.position, task_id)

    async def queued(self) -> int:
        return await self._run(self._tasks.queued)

    async def census(self) -> list[TaskGroup]:
        return await self._run(self._tasks.census)

    async def claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        return await self._run(self._tasks.claim, now, job_id, service, serves)

    async def is_current(self, task: Task) -> bool:
        return await self._run(self._tasks.is_current, task)

    async def cancel(self, task_id: str, now: float) -> Task | None:
        return await self._run(self._tasks.cancel, task_id, now)

    async def retry(self, task_id: str, rank: float, bounds: Bounds = UNBOUNDED) -> Task | None:
        return await self._run(self._tasks.retry, task_id, rank, bounds)

    async def finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        return await self._run(self._tasks.finish, task, outcome, now)

    async def release(
        self,
        task: Task,
        *,
        not_before: float,
        spent: bool,
        keep_job: bool = False,
        held_until: float | None = 0.0,
    ) -> bool:
        return await self._run(self._tasks.release, task, not_before, spent, keep_job, held_until)

    async def recover(self, max_attempts: int, now: float, held_until: float) -> list[Task]:
        return await self._run(self._tasks.recover, max_attempts, now, held_until)

    async def expire(self, now: float) -> list[Task]:
        return await self._run(self._tasks.expire, now)

    async def events(self, task_id: str, after: int = 0) -> list[TaskEvent]:
        return await self._run(self._tasks.events, task_id, after)

    async def spent_bytes(self) -> int:
        return await self._run(self._tasks.spent_bytes)

    async def oldest_ended(self, limit: int) -> list[Task]:
        return await self._run(self._tasks.oldest_ended, limit)

    async def remove(self, task_id: str) -> bool:
        return await self._run(self._tasks.remove, task_id)

    async def take(
        self, now: float, lease: float, limit: int, busy: Collection[str]
    ) -> list[Delivery]:
        return await self._run(self._outbox.take, now, lease, limit, busy)

    async def freeze(self, delivery: Delivery, payload: str) -> None:
        await self._run(self._outbox.freeze, delivery, payload)

    async def settle(self, delivery: Delivery, result: Result) -> None:
        await self._run(self._outbox.settle, delivery, result)

    async def deliveries(
        self, wanted: DeliveryFilter, before: int | None, limit: int
    ) -> list[Delivery]:
        return await self._run(self._outbox.deliveries, wanted, before, limit)

    async def backlog(self) -> Backlog:
        return await self._run(self._outbox.backlog)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._run(self._outbox.delivery, delivery_id)

    async def redeliver(self, delivery_id: str) -> bool:
        return await self._run(self._outbox.redeliver, delivery_id)

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            # Shielded: what has been asked for is done, even where the caller is cancelled.
            return await asyncio.shield(loop.run_in_executor(self._thread, function, *args))
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    def _translated(self, exc: sqlite3.Error) -> StorageFull | StorageUnavailable:
        if getattr(exc, "sqlite_errorcode", None) == SQLITE_FULL or "full" in str(exc):
            return StorageFull(
                f"The disk of the data folder is full: free room under {self._folder}."
            )
        return StorageUnavailable(f"The task database cannot be used: {exc}.")

    async def _add_waiting(self) -> None:
        while self._additions:
            waiting, self._additions = self._additions, []
            try:
                await self._run(self._add_all, [addition for addition, _ in waiting])
            except Exception as exc:
                for addition, _ in waiting:
                    addition.error = exc
            for _, added in waiting:
                if not added.done():  # Its caller may have been cancelled.
                    added.set_result(None)

    def _add_all(self, additions: list[Addition]) -> None:
        try:
            self._tasks.add(additions)
        except Exception:
            # What is wrong with one is not to harm the others.
            for addition in additions:
                try:
                    self._tasks.add([addition])
                except Exception as exc:
                    addition.error = exc

    def _open(self) -> None:
        db = self._owned.open()
        self._tasks, self._outbox = SQLiteTasks(db, str(uuid.uuid4())), SQLiteOutbox(db)

    def _close(self) -> None:
        self._tasks.close()
        self._owned.close()
