"""Deliveries: procrastinate's jobs, each of which brings one task to one worker."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from procrastinate import PsycopgConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from psycopg_pool import AsyncConnectionPool

from backend.store.postgresql.database import Connection
from backend.store.rows import MOST_AHEAD, canonical

TASK_NAME = "gateway.task"
"""Of every delivery. No function is behind it: our own workers take them."""
RANK_ZERO = 1_750_000_000
MOST = 2**31 - 2
"""Of a priority, to either side."""


@dataclass(frozen=True)
class Waiting:
    """A queued task as its deliveries need to know it; times by this machine's clock."""

    task_id: str
    rank: float
    queue: str
    not_before: float = 0.0
    service: str | None = None
    """The GPU service that has its job: before `held_until`, nobody else is to have it."""
    held_until: float = 0.0
    again: bool = False
    """It had its turn before: it goes first among those of its second."""


def queue_of(workflow: str, needs: Mapping[str, Any]) -> str:
    """Where tasks of a workflow with these needs wait.

    Short: it is part of the name of a channel, which has 63 bytes.
    """
    return "q" + _digest(f"{workflow}\n{canonical(needs)}")


def queue_of_service(url: str) -> str:
    """Where tasks wait whose job is on this GPU service."""
    return "s" + _digest(url)


def priority_of(rank: float) -> int:
    """procrastinate takes the highest first; one step is a second."""
    return max(-MOST, min(MOST, round(RANK_ZERO - rank)))


async def jobs_on(connection: Connection) -> JobManager:
    """procrastinate's own statements, in the transaction that this connection is in."""
    connector = PsycopgConnector()
    await connector.open_async(cast("AsyncConnectionPool[Any]", _OnlyOne(connection)))
    return JobManager(connector)


async def deliver(
    connection: Connection, tasks: Iterable[Waiting], ahead: float = 0.0
) -> dict[str, list[int]]:
    """Deliveries for these tasks, by task: one each, or two where a GPU service has the job.

    `ahead` is how many seconds the database's clock is before ours.
    """
    wanted = [(task.task_id, job) for task in tasks for job in _jobs(task, ahead)]
    made: dict[str, list[int]] = {}
    if wanted:
        jobs = await jobs_on(connection)
        deferred = await jobs.batch_defer_jobs_async([job for _, job in wanted])
        for (task_id, _), job in zip(wanted, deferred, strict=True):
            made.setdefault(task_id, []).append(cast(int, job.id))
    return made


def ahead_of_us(database_now: float) -> float:
    """How many seconds the database's clock, which decides what is due, is before ours."""
    return database_now - time.time()


def _jobs(task: Waiting, ahead: float) -> list[Job]:
    jobs = [_job(task, task.queue, max(task.not_before, task.held_until), ahead)]
    if task.service is not None:
        jobs.append(_job(task, queue_of_service(task.service), task.not_before, ahead))
    return jobs


def _job(task: Waiting, queue: str, due: float, ahead: float) -> Job:
    return Job(
        queue=queue,
        lock=None,
        queueing_lock=None,
        task_name=TASK_NAME,
        task_kwargs={"task_id": task.task_id},
        priority=priority_of(task.rank) + task.again,
        scheduled_at=_scheduled(due, ahead),
    )


def _scheduled(due: float, ahead: float) -> datetime | None:
    seconds = due - time.time()
    # As `claim` has it: somebody has moved the clock where it is to wait for longer.
    if not 0 < seconds <= MOST_AHEAD:
        return None
    return datetime.fromtimestamp(due + ahead, timezone.utc)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:24]


class _OnlyOne:
    """A pool of the one connection that a transaction is on, as procrastinate's connector asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> Any:
        yield self._connection
