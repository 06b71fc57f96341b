"""The task store of many machines: PostgreSQL, with procrastinate bringing tasks to workers.

A task and its delivery, which is a procrastinate job, are committed in one transaction. The task
is the truth: a delivery that comes late, twice or for nothing is thrown away.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from psycopg import Rollback

from backend.access import UNBOUNDED, Bounds
from backend.store.census import Backlog, TaskGroup
from backend.store.postgresql import outbox, previews, recovery, tasks
from backend.store.postgresql.claims import Queues, Request, WorkerGone, claim
from backend.store.postgresql.database import Connection, Database
from backend.store.postgresql.keys import PostgreSQLKeyStore
from backend.store.postgresql.listener import Heard, Listener
from backend.store.postgresql.migrations import migrate
from backend.store.postgresql.previews import StoredPreview
from backend.store.postgresql.worker import WorkerIdentity, living
from backend.store.runs import Run
from backend.store.task_store import Serves, TaskStore
from backend.store.webhook_outbox import Delivery, DeliveryFilter, Result, WebhookOutbox
from backend.tasks import Claim, Outcome, Task, TaskEvent, TaskFilter

log = logging.getLogger(__name__)

HEAL_SECONDS = 60.0
"""Between looks for what only a bug or a restore leaves behind."""


class PostgreSQLTaskStore(TaskStore, WebhookOutbox):
    """Tasks in the database of a URL; many processes may use it at once.

    Only a `worker` claims. It sends a life sign every `heartbeat` seconds, and is taken for dead
    when none has come for `stalled_after`.
    """

    def __init__(
        self,
        url: str,
        *,
        worker: bool,
        heartbeat: float = 5.0,
        stalled_after: float = 20.0,
        max_connections: int = 10,
    ) -> None:
        self._database = Database(url, max_connections)
        self.keys = PostgreSQLKeyStore(self._database)
        self._worker = WorkerIdentity(self._database, heartbeat) if worker else None
        self._stalled_after = stalled_after
        self._queues = Queues()
        self._held: set[tuple[str, float | None]] = set()
        self._healed_at = float("-inf")
        self.on_queued: Callable[[], None] = _nobody
        """Called when a task may have come to wait, whichever process sent it."""
        self._listener = Listener(self._database)
        self._listener.add(self._heard, self._missed)

    @property
    def name(self) -> str:
        """For messages: the database, without its password."""
        return self._database.name

    async def open(self) -> None:
        await self._database.open(migrate)
        try:
            if self._worker is not None:
                await self._worker.start()
        except BaseException:
            await self._database.close()
            raise
        self._listener.start()

    async def close(self) -> None:
        await self._listener.stop()
        if self._worker is not None:
            await self._worker.stop()
        await self._database.close()

    async def workers(self) -> int:
        return await self._database.run(living, self._stalled_after)

    def listen(self, heard: Heard, missed: Callable[[], None]) -> None:
        """Hear of every task, whichever process has it; called in the event loop.

        `heard` gets `{task_id, seq, state, attempt, queue}` for each change of state, what
        `notify_live` was given, and `{task_id, preview}` with the number of a preview. `missed`
        says that some may not have come: after each connection, the first one included.
        """
        self._listener.add(heard, missed)

    async def notify_live(self, task_id: str, payload: Mapping[str, Any]) -> None:
        """Tell all processes what happens to a task now; dropped where it is over 8,000 bytes."""
        await self._database.run(previews.tell, task_id, payload)

    async def put_preview(self, task_id: str, content_type: str, image: bytes) -> None:
        """Keep the newest picture of a running task, and tell all processes of it."""
        await self._database.run(previews.put, task_id, content_type, image)

    async def preview(self, task_id: str) -> StoredPreview | None:
        """The newest picture, while the task runs."""
        return await self._database.run(previews.newest, task_id)

    async def add(
        self, task: Task, params: Mapping[str, Any], bounds: Bounds = UNBOUNDED
    ) -> tuple[Task, bool]:
        tries = 0

        async def insert(db: Connection) -> bool:
            nonlocal tries
            tries += 1
            async with db.transaction() as transaction:
                if await tasks.insert(db, task, params, bounds):
                    return True
                raise Rollback(transaction)  # Its delivery goes with it.
            return False

        while not await self._database.run(insert):
            kept = await self.get(task.id) or await self.by_key(task.idempotency_key, task.owner)
            if kept is not None:  # Else it has been removed in between.
                # Its own id, at a second try: the connection was lost while it was committed.
                return kept, tries > 1 and kept.id == task.id
        return task, True

    async def get(self, task_id: str) -> Task | None:
        return await self._database.run(tasks.get, task_id)

    async def by_key(self, idempotency_key: str | None, owner: str | None) -> Task | None:
        return await self._database.run(tasks.by_key, idempotency_key, owner)

    async def newest(
        self, wanted: TaskFilter, before: int | None, limit: int
    ) -> list[tuple[int, Task]]:
        return await self._database.run(tasks.newest, wanted, before, limit)

    async def run_seconds(self, workflow: str, limit: int) -> list[float]:
        return await self._database.run(tasks.run_seconds, workflow, limit)

    async def running(self) -> list[Run]:
        return await self._database.run(tasks.running)

    async def position(self, task_id: str) -> int | None:
        return await self._database.run(tasks.position, task_id)

    async def queued(self) -> int:
        return await self._database.run(tasks.queued)

    async def census(self) -> list[TaskGroup]:
        return await self._database.run(tasks.census)

    async def claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        claiming = asyncio.ensure_future(self._claim(now, job_id, service, serves))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(self._abandon)
            raise

    async def is_current(self, task: Task) -> bool:
        current = await self._database.run(tasks.is_current, task)
        if not current:
            self._held.discard((task.id, task.started_at))
        return current

    async def cancel(self, task_id: str, now: float) -> Task | None:
        return await self._database.run(tasks.cancel, task_id, now)

    async def retry(self, task_id: str, rank: float, bounds: Bounds = UNBOUNDED) -> Task | None:
        return await self._database.transact(tasks.retry, task_id, rank, bounds)

    async def finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        finished = await self._database.run(tasks.finish, task, outcome, now)
        self._held.discard((task.id, task.started_at))
        return finished

    async def release(
        self,
        task: Task,
        *,
        not_before: float,
        spent: bool,
        keep_job: bool = False,
        held_until: float | None = 0.0,
    ) -> bool:
        released = await self._database.transact(
            tasks.release, task, not_before, spent, keep_job, held_until
        )
        self._held.discard((task.id, task.started_at))
        return released

    async def recover(self, max_attempts: int, now: float, held_until: float) -> list[Task]:
        # After an outage, the others are given the time to say that they live.
        if time.monotonic() - self._database.answering_since > self._stalled_after:
            await self._database.transact(recovery.prune_workers, self._stalled_after)
        own = self._worker.id if self._worker is not None else None
        recovered = await self._database.transact(
            recovery.queue_again, own, self._held, max_attempts, now, held_until
        )
        if time.monotonic() - self._healed_at > HEAL_SECONDS:
            while healed := await self._database.transact(recovery.heal):
                log.warning("%d queued tasks had no delivery, and have one now", healed)
            self._healed_at = time.monotonic()
        return recovered

    async def expire(self, now: float) -> list[Task]:
        return await self._database.run(tasks.expire, now)

    async def events(self, task_id: str, after: int = 0) -> list[TaskEvent]:
        return await self._database.run(tasks.events, task_id, after)

    async def spent_bytes(self) -> int:
        return await self._database.run(tasks.spent_bytes)

    async def oldest_ended(self, limit: int) -> list[Task]:
        return await self._database.run(tasks.oldest_ended, limit)

    async def remove(self, task_id: str) -> bool:
        return await self._database.run(tasks.remove, task_id)

    async def take(
        self, now: float, lease: float, limit: int, busy: Collection[str]
    ) -> list[Delivery]:
        return await self._database.run(outbox.take, now, lease, limit, busy)

    async def freeze(self, delivery: Delivery, payload: str) -> None:
        await self._database.run(outbox.freeze, delivery, payload)

    async def settle(self, delivery: Delivery, result: Result) -> None:
        await self._database.transact(outbox.settle, delivery, result)

    async def deliveries(
        self, wanted: DeliveryFilter, before: int | None, limit: int
    ) -> list[Delivery]:
        return await self._database.run(outbox.deliveries, wanted, before, limit)

    async def backlog(self) -> Backlog:
        return await self._database.run(outbox.backlog)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        return await self._database.run(outbox.find, delivery_id)

    async def redeliver(self, delivery_id: str) -> bool:
        return await self._database.run(outbox.redeliver, delivery_id)

    async def _claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        if self._worker is None:
            raise RuntimeError("only a worker claims")
        while True:
            request = Request(now, job_id, service, serves, self._worker.id)
            try:
                found = await self._claim_once(request)
            except WorkerGone:
                await self._worker.renew(request.worker)
                continue
            if not isinstance(found, bool):
                return found
            if not found:
                return None

    async def _claim_once(self, request: Request) -> Claim | bool:
        taken: set[tuple[str, float | None]] = set()

        async def take(db: Connection) -> Claim | bool:
            asked = request
            if taken:
                # A first try whose connection was lost may count: recovery finds that task, which
                # has this job's id.
                self._held.difference_update(taken)
                taken.clear()
                asked = replace(request, job_id=str(uuid.uuid4()))
            found = await claim(db, asked, self._queues)
            if isinstance(found, Claim):
                # Before the commit: from then on, recovery takes it for lost if it is not here.
                taken.add((found.task.id, found.task.started_at))
                self._held.update(taken)
            return found

        try:
            return await self._database.transact(take)
        except BaseException:
            self._held.difference_update(taken)
            raise

    def _abandon(self, claiming: "asyncio.Future[Claim | None]") -> None:
        """Nobody waits for this claim any more: recovery is to find it."""
        if not claiming.cancelled() and claiming.exception() is None:
            found = claiming.result()
            if found is not None:
                self._held.discard((found.task.id, found.task.started_at))

    def _heard(self, payload: dict[str, Any]) -> None:
        if payload.get("state") == "queued":
            self._queues.heard_of(payload["queue"])
            self.on_queued()

    def _missed(self) -> None:
        self._queues.forget()
        self.on_queued()


def _nobody() -> None:
    """Nobody has asked to be called."""
