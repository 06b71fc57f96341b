"""What runs under a worker that is no more, and what else has to be put right."""

from collections.abc import Set as AbstractSet
from typing import Any

from psycopg.rows import DictRow

from backend.store.postgresql.database import Connection
from backend.store.postgresql.deliveries import TASK_NAME, jobs_on
from backend.store.postgresql.tasks import WAITING, all_of, changed, wait_again
from backend.store.rows import COLUMNS, CRASHED, CRASHED_CODE
from backend.tasks import Task

HEALED_AT_ONCE = 1000

UP_FOR = """
    SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS seconds
"""
ORPHANED = """
    SELECT seq, id, started_at, worker FROM tasks
    WHERE state = 'running' AND (worker IS NULL OR worker = %s OR NOT EXISTS (
        SELECT 1 FROM procrastinate_workers WHERE id = tasks.worker
    )) FOR UPDATE SKIP LOCKED
"""
"""Nobody runs these; but for our own, which are looked for in memory as well."""
GIVE_UP = """
    UPDATE tasks SET state = 'failed', finished_at = %s, error = %s, error_code = %s
    WHERE seq = ANY(%s) AND attempt - first_attempt >= %s
"""
QUEUE_AGAIN = """
    UPDATE tasks SET state = 'queued', started_at = NULL, worker = NULL,
        held_until = CASE WHEN service IS NULL THEN 0 ELSE %s END
    WHERE seq = ANY(%s) AND state = 'running'
"""
FORGOTTEN = f"""
    SELECT {WAITING} FROM tasks WHERE state = 'queued' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs AS job
        WHERE job.id = ANY(deliveries) AND job.status = 'todo'
    ) ORDER BY rank, seq LIMIT %s FOR UPDATE SKIP LOCKED
"""
NEEDLESS = """
    DELETE FROM procrastinate_jobs WHERE id IN (
        SELECT job.id FROM procrastinate_jobs AS job WHERE job.task_name = %s AND (
            job.status NOT IN ('todo', 'doing')
            OR (job.status = 'doing' AND job.worker_id IS NULL)
            OR NOT EXISTS (
                SELECT 1 FROM tasks
                WHERE id = job.args ->> 'task_id' AND state IN ('queued', 'running')
            )
        ) FOR UPDATE SKIP LOCKED
    )
"""
OLD_PREVIEWS = """
    DELETE FROM task_previews WHERE NOT EXISTS (
        SELECT 1 FROM tasks WHERE id = task_previews.task_id AND finished_at IS NULL
    )
"""


async def prune_workers(db: Connection, stalled_after: float) -> None:
    """Strike off workers whose heartbeat has stopped.

    Not where the database itself was away for so long: then everybody's has.
    """
    row = await (await db.execute(UP_FOR)).fetchone()
    if row is not None and row["seconds"] > stalled_after:
        await (await jobs_on(db)).prune_stalled_workers(stalled_after)


async def queue_again(
    db: Connection,
    own: int | None,
    held: AbstractSet[tuple[str, float | None]],
    max_attempts: int,
    now: float,
    held_until: float,
) -> list[Task]:
    """What runs and has no worker, back into the queue; or failed. In a transaction.

    `held` is the tasks and attempts that our worker `own` has, read after the rows: what it has
    claimed is in there before it is seen to run.
    """
    orphaned = await _rows(db, ORPHANED, own)
    lost = [
        r["seq"] for r in orphaned if r["worker"] != own or (r["id"], r["started_at"]) not in held
    ]
    if not lost:
        return []
    failed = await all_of(
        db, changed(GIVE_UP, COLUMNS), now, CRASHED, CRASHED_CODE, lost, max_attempts
    )
    columns = f"{COLUMNS}, queue, not_before, held_until"
    rows = await _rows(db, changed(QUEUE_AGAIN, columns), held_until, lost)
    await wait_again(db, rows)
    return failed + await _as_they_are(db, rows)


async def heal(db: Connection) -> int:
    """Deliveries for queued tasks that have none, as after a restore; how many there were.

    Deliveries that bring nothing are removed. In a transaction.
    """
    await db.execute(NEEDLESS, (TASK_NAME,))
    await db.execute(OLD_PREVIEWS)
    rows = await _rows(db, FORGOTTEN, HEALED_AT_ONCE)
    await wait_again(db, rows)
    return len(rows)


async def _as_they_are(db: Connection, rows: list[DictRow]) -> list[Task]:
    return await all_of(
        db,
        f"SELECT {COLUMNS} FROM tasks WHERE id = ANY(%s) ORDER BY rank, seq",
        [row["id"] for row in rows],
    )


async def _rows(db: Connection, statement: str, *values: Any) -> list[DictRow]:
    return await (await db.execute(statement, values)).fetchall()
