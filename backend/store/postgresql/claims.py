"""How a worker comes to a task: it takes deliveries until one brings a task that may run."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as Delivery
from procrastinate.manager import JobManager
from psycopg.rows import DictRow
from pydantic_core import from_json

from backend.store.postgresql.database import Connection
from backend.store.postgresql.deliveries import jobs_on, queue_of_service
from backend.store.rows import COLUMNS, MOST_AHEAD, task_of
from backend.store.task_store import Serves
from backend.tasks import Claim, Job

FRESH_SECONDS = 1.0
"""That the list of queues is believed."""
DELIVERIES_AT_ONCE = 50
"""Taken in one transaction, where most are of tasks that have ended."""
PUT_BACK_SECONDS = 1.0
"""That a delivery which came too early is put back for, at most: clocks differ."""
NEXT_QUEUE = """
    SELECT queue, workflow, needs FROM tasks WHERE state = 'queued' {after}
    ORDER BY queue LIMIT 1
"""
QUEUES = f"""
    WITH RECURSIVE queues AS (
        ({NEXT_QUEUE.format(after="")})
        UNION ALL
        SELECT following.* FROM queues,
        LATERAL ({NEXT_QUEUE.format(after="AND queue > queues.queue")}) AS following
    )
    SELECT * FROM queues
"""
"""Each queue in which a task waits: a step of the index each, not of a task."""
TAKE = f"""
    UPDATE tasks SET state = 'running', attempt = attempt + 1, started_at = %(now)s,
        worker = %(worker)s, service = %(service)s,
        job_id = CASE WHEN coalesce(service, %(service)s) = %(service)s
                      THEN coalesce(job_id, %(job_id)s) ELSE %(job_id)s END,
        deliveries = array_remove(deliveries, %(delivery)s::bigint) || %(delivery)s::bigint
    FROM (
        SELECT id AS before_id, job_id AS before_job_id, service AS before_service
        FROM tasks WHERE id = %(task_id)s FOR UPDATE
    ) AS before
    WHERE id = before_id AND state = 'queued'
        AND (not_before <= %(now)s OR not_before > %(now)s + {MOST_AHEAD})
        AND (service IS NULL OR service = %(service)s
             OR held_until <= %(now)s OR held_until > %(now)s + {MOST_AHEAD})
        AND queue = ANY(%(queues)s)
    RETURNING {COLUMNS}, params, before_job_id, before_service
"""
WAIT = """
    SELECT greatest(
        not_before,
        CASE WHEN service IS NULL OR service = %(service)s THEN 0 ELSE held_until END
    ) - %(now)s AS seconds
    FROM tasks WHERE id = %(task_id)s AND state = 'queued'
"""
PUT_BACK = """
    UPDATE procrastinate_jobs
    SET status = 'todo', worker_id = NULL,
        scheduled_at = clock_timestamp() + make_interval(secs => %(seconds)s)
    WHERE id = %(delivery)s
"""
THROW_AWAY = "DELETE FROM procrastinate_jobs WHERE id = %(delivery)s"


class WorkerGone(Exception):
    """The claiming worker is no longer registered: others took it for dead."""


@dataclass(frozen=True)
class Request:
    """Somebody who would take a task."""

    now: float
    job_id: str
    service: str
    serves: Serves
    worker: int
    """Of procrastinate_workers."""


@dataclass
class Queues:
    """What is waited for, so far as this process knows."""

    known: dict[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    _fresh_until: float = 0.0
    _stale: bool = True

    def forget(self) -> None:
        """The list is read again before the next claim."""
        self._stale = True

    def heard_of(self, queue: str) -> None:
        """A task waits there: the list is read again where it is not on it."""
        self._stale = self._stale or queue not in self.known

    async def served(self, db: Connection, serves: Serves) -> list[str]:
        """Names of those whose tasks may be claimed."""
        if self._stale or time.monotonic() > self._fresh_until:
            self._stale = False
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            rows = await (await db.execute(QUEUES)).fetchall()
            self.known = {r["queue"]: (r["workflow"], json.loads(r["needs"])) for r in rows}
        return [name for name, (workflow, needs) in self.known.items() if serves(workflow, needs)]


async def claim(db: Connection, request: Request, queues: Queues) -> Claim | bool:
    """The first task that may run; else whether to look again. In a transaction.

    Raises WorkerGone.
    """
    served = await queues.served(db, request.serves)
    if not served:
        return False
    jobs = await jobs_on(db)
    for _ in range(DELIVERIES_AT_ONCE):
        delivery = await _next(jobs, request, served)
        if delivery is None:
            return False
        if (claim := await _take(db, request, delivery, served)) is not None:
            return claim
    return True


async def _next(jobs: JobManager, request: Request, served: list[str]) -> Delivery | None:
    try:
        return await jobs.fetch_job([*served, queue_of_service(request.service)], request.worker)
    except ConnectorException as exc:
        if isinstance(exc.__cause__, psycopg.errors.ForeignKeyViolation):
            raise WorkerGone from exc
        raise


async def _take(
    db: Connection, request: Request, delivery: Delivery, served: list[str]
) -> Claim | None:
    values = {
        "now": request.now,
        "job_id": request.job_id,
        "service": request.service,
        "worker": request.worker,
        "queues": served,
        "delivery": delivery.id,
        "task_id": delivery.task_kwargs.get("task_id"),
    }
    row = await (await db.execute(TAKE, values)).fetchone()
    if row is not None:
        return _claim_of(row, request.job_id)
    waits = await (await db.execute(WAIT, values)).fetchone()
    if waits is None:
        await db.execute(THROW_AWAY, values)
    else:
        # Not due by our clock, or its workflow is no longer served here.
        seconds = waits["seconds"] if 0 < waits["seconds"] < PUT_BACK_SECONDS else PUT_BACK_SECONDS
        await db.execute(PUT_BACK, {**values, "seconds": seconds})
    return None


def _claim_of(row: DictRow, job_id: str) -> Claim:
    task = task_of(row)
    elsewhere = row["before_job_id"] is not None and task.job_id != row["before_job_id"]
    return Claim(
        task,
        from_json(row["params"]),
        resume=task.job_id != job_id,
        left=Job(row["before_job_id"], row["before_service"]) if elsewhere else None,
    )
