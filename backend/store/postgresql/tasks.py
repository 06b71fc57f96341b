"""Statements on the tasks of a PostgreSQL database; what waits has its deliveries beside it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from psycopg.rows import DictRow

from backend.access import UNBOUNDED, Bounds
from backend.store.census import TASKS, TaskGroup, groups_of
from backend.store.postgresql.database import Connection
from backend.store.postgresql.deliveries import Waiting, ahead_of_us, deliver, queue_of
from backend.store.rows import (
    ADDED,
    COLUMNS,
    DEADLINE_CODE,
    DEADLINE_PASSED,
    FINISHED,
    RETRIED,
    added_row,
    check_bounds,
    day_of,
    event_of,
    finished_row,
    merged,
    output_bytes,
    storable,
    task_of,
    wanted_rows,
)
from backend.store.runs import BEGAN, RUNS, Run, runs_of
from backend.tasks import Outcome, Task, TaskEvent, TaskFilter

OF_THIS_ATTEMPT = "id = %s AND attempt = %s AND job_id = %s AND started_at = %s"
RUNNING = f"{OF_THIS_ATTEMPT} AND state = 'running'"
"""The fence: nothing that an earlier attempt, or a cancelled one, brings home is written."""
DELIVERED = """
    DELETE FROM procrastinate_jobs WHERE id IN (
        SELECT job.id FROM procrastinate_jobs AS job
        WHERE job.id IN (SELECT unnest(deliveries) FROM changed) FOR UPDATE SKIP LOCKED
    )
"""
"""Deliveries of what has changed. One that somebody is just taking is theirs to throw away."""


def changed(update: str, columns: str) -> str:
    """An update of tasks that takes their deliveries away with it."""
    return (
        f"WITH changed AS ({update} RETURNING {columns}, deliveries), gone AS ({DELIVERED})"
        f" SELECT {columns} FROM changed"
    )


async def get(db: Connection, task_id: str) -> Task | None:
    return await _one(db, f"SELECT {COLUMNS} FROM tasks WHERE id = %s", storable(task_id))


async def by_key(db: Connection, idempotency_key: str | None, owner: str | None) -> Task | None:
    return await _one(
        db,
        f"SELECT {COLUMNS} FROM tasks WHERE idempotency_key = %s"
        " AND coalesce(owner, '') = coalesce(%s::text, '')",
        storable(idempotency_key),
        owner,
    )


async def insert(db: Connection, task: Task, params: Mapping[str, Any], bounds: Bounds) -> bool:
    """A new task with its delivery; in a transaction, which is to be undone where it is False."""
    if bounds != UNBOUNDED:
        await _only_one_of(db, task.owner)
        if await get(db, task.id) or await by_key(db, task.idempotency_key, task.owner):
            return False
        await _check_bounds(db, task.owner, bounds, task.created_at)
    queue = queue_of(task.workflow, task.needs)
    made = await deliver(db, [Waiting(task.id, task.rank, queue)])
    row = (*added_row(task, params), queue, made[task.id])
    marks = ", ".join(["%s"] * len(row))
    cursor = await db.execute(
        f"INSERT INTO tasks ({ADDED}, queue, deliveries) VALUES ({marks}) ON CONFLICT DO NOTHING",
        row,
    )
    return cursor.rowcount == 1


async def queued(db: Connection) -> int:
    return await _number(db, "SELECT count(*) AS n FROM tasks WHERE state = 'queued'")


async def census(db: Connection) -> list[TaskGroup]:
    return groups_of(await _rows(db, TASKS))


async def newest(
    db: Connection, wanted: TaskFilter, before: int | None, limit: int
) -> list[tuple[int, Task]]:
    queries = wanted_rows(wanted, before, limit, "%s")
    rows = [row for statement, values in queries for row in await _rows(db, statement, *values)]
    return merged(rows, limit)


async def run_seconds(db: Connection, workflow: str, limit: int) -> list[float]:
    statement = (
        f"SELECT finished_at - {BEGAN} AS seconds FROM tasks"
        " WHERE workflow = %s AND state = 'done' ORDER BY finished_at DESC LIMIT %s"
    )
    return [row["seconds"] for row in await _rows(db, statement, storable(workflow), limit)]


async def running(db: Connection) -> list[Run]:
    return runs_of(await _rows(db, RUNS))


async def position(db: Connection, task_id: str) -> int | None:
    rows = await _rows(
        db,
        "SELECT (SELECT count(*) FROM tasks WHERE state = 'queued'"
        " AND (rank, seq) < (mine.rank, mine.seq)) AS n"
        " FROM tasks AS mine WHERE id = %s AND state = 'queued'",
        storable(task_id),
    )
    return rows[0]["n"] if rows else None


async def is_current(db: Connection, task: Task) -> bool:
    return bool(await _rows(db, f"SELECT 1 AS one FROM tasks WHERE {RUNNING}", *_fence(task)))


async def cancel(db: Connection, task_id: str, now: float) -> Task | None:
    update = (
        "UPDATE tasks SET state = 'cancelled', finished_at = %s"
        " WHERE id = %s AND state IN ('queued', 'running')"
    )
    return await _one(db, changed(update, COLUMNS), now, storable(task_id))


async def expire(db: Connection, now: float) -> list[Task]:
    update = (
        "UPDATE tasks SET state = 'cancelled', finished_at = %s, error = %s, error_code = %s"
        " WHERE deadline <= %s AND finished_at IS NULL"
    )
    return await all_of(db, changed(update, COLUMNS), now, DEADLINE_PASSED, DEADLINE_CODE, now)


async def finish(db: Connection, task: Task, outcome: Outcome, now: float) -> bool:
    columns = ", ".join(f"{name} = %s" for name in FINISHED.split(", "))
    update = f"UPDATE tasks SET {columns}, bytes = bytes + %s WHERE {RUNNING}"
    row = (*finished_row(outcome, now), output_bytes(outcome), *_fence(task))
    if await _rows(db, changed(update, "id"), *row):
        return True
    # Where the connection was lost while it was written, this is the same write once more.
    return bool(
        await _rows(
            db,
            f"SELECT 1 AS one FROM tasks WHERE {OF_THIS_ATTEMPT} AND state = %s AND outputs = %s"
            " AND error IS NOT DISTINCT FROM %s AND error_code IS NOT DISTINCT FROM %s",
            *_fence(task),
            outcome.state.value,
            json.dumps([asdict(output) for output in outcome.outputs]),
            storable(outcome.error),
            storable(outcome.error_code),
        )
    )


async def _only_one_of(db: Connection, owner: str | None) -> None:
    """Until the transaction ends, nobody else adds a task of this owner's that has bounds."""
    await db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (owner,))


async def _check_bounds(db: Connection, owner: str | None, bounds: Bounds, now: float) -> None:
    rows = await _rows(
        db,
        "SELECT (SELECT count(*) FROM tasks WHERE owner = %s AND finished_at IS NULL)"
        " AS open_tasks, coalesce((SELECT tasks FROM owner_usage WHERE owner = %s"
        " AND day = %s), 0) AS today",
        owner,
        owner,
        day_of(now),
    )
    check_bounds(bounds, rows[0]["open_tasks"], rows[0]["today"], now)


async def retry(db: Connection, task_id: str, rank: float, bounds: Bounds) -> Task | None:
    """In a transaction."""
    if bounds.concurrent_tasks is not None and (task := await get(db, task_id)) is not None:
        await _only_one_of(db, task.owner)
        await _check_bounds(db, task.owner, replace(bounds, tasks_per_day=None), 0.0)
    which = "WHERE id = %s AND state IN ('failed', 'cancelled')"
    statement = f"{RETRIED} %s {which} RETURNING {COLUMNS}, queue, not_before, held_until"
    rows = await _rows(db, statement, rank, storable(task_id))
    await wait_again(db, rows)
    return task_of(rows[0]) if rows else None


async def release(
    db: Connection,
    task: Task,
    not_before: float,
    spent: bool,
    keep_job: bool,
    held_until: float | None,
) -> bool:
    """In a transaction."""
    update = (
        "UPDATE tasks SET state = 'queued', started_at = NULL, worker = NULL, not_before = %s,"
        f" attempt = attempt - %s, job_id = %s, service = %s,"
        f" held_until = coalesce(%s::float8, held_until) WHERE {RUNNING}"
    )
    rows = await _rows(
        db,
        changed(update, WAITING),
        not_before,
        0 if spent else 1,
        task.job_id if keep_job else None,
        task.service if keep_job else None,
        held_until if keep_job else 0.0,
        *_fence(task),
    )
    await wait_again(db, rows)
    return bool(rows)


WAITING = "id, rank, queue, not_before, service, held_until"


async def wait_again(db: Connection, rows: list[DictRow]) -> None:
    """New deliveries for rows of `WAITING`; in the transaction that has queued them."""
    if not rows:
        return
    clock = (await _rows(db, "SELECT extract(epoch FROM clock_timestamp())::float8 AS now"))[0]
    waiting = [
        Waiting(
            row["id"],
            row["rank"],
            row["queue"],
            row["not_before"],
            row["service"],
            row["held_until"],
            again=True,
        )
        for row in rows
    ]
    for task_id, made in (await deliver(db, waiting, ahead_of_us(clock["now"]))).items():
        await db.execute("UPDATE tasks SET deliveries = %s WHERE id = %s", (made, task_id))


async def events(db: Connection, task_id: str, after: int) -> list[TaskEvent]:
    statement = "SELECT * FROM task_events WHERE task_id = %s AND seq > %s ORDER BY seq"
    return [event_of(row) for row in await _rows(db, statement, storable(task_id), after)]


async def spent_bytes(db: Connection) -> int:
    statement = (
        "SELECT coalesce(sum(bytes), 0)::bigint AS n FROM tasks WHERE finished_at IS NOT NULL"
    )
    return await _number(db, statement)


async def oldest_ended(db: Connection, limit: int) -> list[Task]:
    return await all_of(
        db,
        f"SELECT {COLUMNS} FROM tasks WHERE finished_at IS NOT NULL ORDER BY finished_at LIMIT %s",
        limit,
    )


async def remove(db: Connection, task_id: str) -> bool:
    statement = "DELETE FROM tasks WHERE id = %s AND finished_at IS NOT NULL RETURNING id"
    return bool(await _rows(db, statement, storable(task_id)))


async def all_of(db: Connection, statement: str, *values: Any) -> list[Task]:
    """The tasks in the rows of a statement."""
    return [task_of(row) for row in await _rows(db, statement, *values)]


async def _one(db: Connection, statement: str, *values: Any) -> Task | None:
    tasks = await all_of(db, statement, *values)
    return tasks[0] if tasks else None


async def _number(db: Connection, statement: str) -> int:
    return int((await _rows(db, statement))[0]["n"])


async def _rows(db: Connection, statement: str, *values: Any) -> list[DictRow]:
    return await (await db.execute(statement, values)).fetchall()


def _fence(task: Task) -> tuple[str, int, str | None, float | None]:
    return task.id, task.attempt, task.job_id, task.started_at
