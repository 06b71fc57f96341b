"""Statements on the tasks of a SQLite file: the table itself is the queue."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json

from backend.access import UNBOUNDED, Bounds
from backend.store.census import TASKS, TaskGroup, groups_of
from backend.store.rows import (
    ADDED,
    COLUMNS,
    CRASHED,
    CRASHED_CODE,
    DEADLINE_CODE,
    DEADLINE_PASSED,
    FINISHED,
    MOST_AHEAD,
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
from backend.store.task_store import Serves
from backend.tasks import Claim, Job, Outcome, Task, TaskEvent, TaskFilter

OF_THIS_ATTEMPT = (
    "WHERE id = ? AND attempt = ? AND job_id = ? AND started_at = ? AND state = 'running'"
)
"""The fence: nothing that an earlier attempt, or a cancelled one, brings home is written."""
DUE = f"""
    state = 'queued' AND (not_before <= :now OR not_before > :now + {MOST_AHEAD})
    AND (service IS NULL OR service = :service
         OR held_until <= :now OR held_until > :now + {MOST_AHEAD})
"""
"""What a GPU service may take: another one's job is left to that one for a while."""
CLAIM = f"""
    UPDATE tasks SET state = 'running', attempt = attempt + 1, started_at = :now,
        worker = :worker, service = :service,
        job_id = CASE WHEN coalesce(service, :service) = :service
                      THEN coalesce(job_id, :job_id) ELSE :job_id END
    WHERE seq = :seq RETURNING {COLUMNS}, params
"""
NEXT_QUEUE = """
    SELECT workflow, needs FROM tasks
    WHERE state = 'queued' AND (workflow, needs) > (?, ?) ORDER BY workflow, needs LIMIT 1
"""


@dataclass(eq=False)
class Addition:
    """A task to be added, and what came of it."""

    task: Task
    params: Mapping[str, Any]
    bounds: Bounds = UNBOUNDED
    is_new: bool = False
    error: Exception | None = None

    def result(self) -> tuple[Task, bool]:
        """The task as it stands, and whether it was added. Raises what kept it from that."""
        if self.error is not None:
            raise self.error
        return self.task, self.is_new


class SQLiteTasks:
    """What a TaskStore does, each in one statement, or in one thread; raises sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection, worker: str) -> None:
        self._db = db
        self._worker = worker

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def get(self, task_id: str) -> Task | None:
        return self._one(f"SELECT {COLUMNS} FROM tasks WHERE id = ?", task_id)

    def queued(self) -> int:
        return self._number("SELECT count(*) FROM tasks WHERE state = 'queued'")

    def census(self) -> list[TaskGroup]:
        return groups_of(dict(row) for row in self._rows(TASKS, ()))

    def cancel(self, task_id: str, now: float) -> Task | None:
        return self._one(
            "UPDATE tasks SET state = 'cancelled', finished_at = ?"
            f" WHERE id = ? AND state IN ('queued', 'running') RETURNING {COLUMNS}",
            now,
            task_id,
        )

    def expire(self, now: float) -> list[Task]:
        return self._all(
            "UPDATE tasks SET state = 'cancelled', finished_at = ?, error = ?, error_code = ?"
            f" WHERE deadline <= ? AND finished_at IS NULL RETURNING {COLUMNS}",
            now,
            DEADLINE_PASSED,
            DEADLINE_CODE,
            now,
        )

    def spent_bytes(self) -> int:
        return self._number(
            "SELECT coalesce(sum(bytes), 0) FROM tasks WHERE finished_at IS NOT NULL"
        )

    def oldest_ended(self, limit: int) -> list[Task]:
        return self._all(
            f"SELECT {COLUMNS} FROM tasks WHERE finished_at IS NOT NULL"
            " ORDER BY finished_at LIMIT ?",
            limit,
        )

    def remove(self, task_id: str) -> bool:
        return self._changed("DELETE FROM tasks WHERE id = ? AND finished_at IS NOT NULL", task_id)

    def add(self, additions: Sequence[Addition]) -> None:
        """All of them in one transaction; what came of each is written into it."""
        if not additions:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            kept = [self._add(addition) for addition in additions]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        for addition, (task, is_new) in zip(additions, kept, strict=True):
            addition.task, addition.is_new = task, is_new

    def _add(self, addition: Addition) -> tuple[Task, bool]:
        task = addition.task
        if addition.bounds != UNBOUNDED:
            kept = self.get(task.id) or self.by_key(task.idempotency_key, task.owner)
            if kept is not None:
                return kept, False
            self._check_bounds(task.owner, addition.bounds, task.created_at)
        row = added_row(task, addition.params)
        marks = ", ".join("?" * len(row))
        if self._changed(
            f"INSERT INTO tasks ({ADDED}) VALUES ({marks}) ON CONFLICT DO NOTHING", *row
        ):
            return task, True
        kept = self.get(task.id) or self.by_key(task.idempotency_key, task.owner)
        return kept or task, False

    def by_key(self, idempotency_key: str | None, owner: str | None) -> Task | None:
        return self._one(
            f"SELECT {COLUMNS} FROM tasks WHERE idempotency_key = ?"
            " AND coalesce(owner, '') = coalesce(?, '')",
            storable(idempotency_key),
            owner,
        )

    def newest(self, wanted: TaskFilter, before: int | None, limit: int) -> list[tuple[int, Task]]:
        queries = wanted_rows(wanted, before, limit, "?")
        rows = [dict(row) for query in queries for row in self._rows(*query)]
        return merged(rows, limit)

    def run_seconds(self, workflow: str, limit: int) -> list[float]:
        statement = (
            f"SELECT finished_at - {BEGAN} AS seconds FROM tasks"
            " WHERE workflow = ? AND state = 'done' ORDER BY finished_at DESC LIMIT ?"
        )
        return [row["seconds"] for row in self._rows(statement, (storable(workflow), limit))]

    def running(self) -> list[Run]:
        return runs_of(dict(row) for row in self._rows(RUNS, ()))

    def position(self, task_id: str) -> int | None:
        row = self._db.execute(
            "SELECT (SELECT count(*) FROM tasks WHERE state = 'queued'"
            " AND (rank, seq) < (mine.rank, mine.seq))"
            " FROM tasks AS mine WHERE id = ? AND state = 'queued'",
            (task_id,),
        ).fetchone()
        return None if row is None else int(row[0])

    def claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        first = self._first_due(now, service, serves)
        if first is None:
            return None
        values = {"now": now, "job_id": job_id, "service": service, "worker": self._worker}
        row = self._rows(CLAIM, {**values, "seq": first["seq"]})[0]
        task = task_of(dict(row))
        elsewhere = first["job_id"] is not None and task.job_id != first["job_id"]
        return Claim(
            task,
            from_json(row["params"]),
            resume=task.job_id != job_id,
            left=Job(first["job_id"], first["service"]) if elsewhere else None,
        )

    def _first_due(self, now: float, service: str, serves: Serves) -> sqlite3.Row | None:
        """The first of the whole queue where it is served, as it mostly is; else of each queue."""
        select = f"SELECT seq, rank, workflow, needs, job_id, service FROM tasks WHERE {DUE}"
        due = {"now": now, "service": service}
        first = self._rows(f"{select} ORDER BY rank, seq LIMIT 1", due)
        if not first or serves(first[0]["workflow"], json.loads(first[0]["needs"])):
            return first[0] if first else None
        firsts = []
        for workflow, needs in self._queues():
            if serves(workflow, json.loads(needs)):
                firsts += self._rows(
                    f"{select} AND workflow = :workflow AND needs = :needs"
                    " ORDER BY rank, seq LIMIT 1",
                    {**due, "workflow": workflow, "needs": needs},
                )
        return min(firsts, key=lambda row: (row["rank"], row["seq"]), default=None)

    def _queues(self) -> list[tuple[str, str]]:
        """Each workflow and needs that tasks wait for: a step of the index each, not of a task."""
        found: list[tuple[str, str]] = []
        row = self._db.execute(NEXT_QUEUE, ("", "")).fetchone()
        while row is not None:
            found.append((row["workflow"], row["needs"]))
            row = self._db.execute(NEXT_QUEUE, found[-1]).fetchone()
        return found

    def is_current(self, task: Task) -> bool:
        return bool(self._rows(f"SELECT 1 FROM tasks {OF_THIS_ATTEMPT}", _fence(task)))

    def finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        columns = ", ".join(f"{name} = ?" for name in FINISHED.split(", "))
        return self._changed(
            f"UPDATE tasks SET {columns}, bytes = bytes + ? {OF_THIS_ATTEMPT}",
            *finished_row(outcome, now),
            output_bytes(outcome),
            *_fence(task),
        )

    def _check_bounds(self, owner: str | None, bounds: Bounds, now: float) -> None:
        row = self._rows(
            "SELECT (SELECT count(*) FROM tasks WHERE owner = :owner AND finished_at IS NULL)"
            " AS open_tasks, coalesce((SELECT tasks FROM owner_usage WHERE owner = :owner"
            " AND day = :day), 0) AS today",
            {"owner": owner, "day": day_of(now)},
        )[0]
        check_bounds(bounds, row["open_tasks"], row["today"], now)

    def retry(self, task_id: str, rank: float, bounds: Bounds) -> Task | None:
        # This thread is the only one that writes: nothing comes in between.
        if bounds.concurrent_tasks is not None and (task := self.get(task_id)) is not None:
            self._check_bounds(task.owner, replace(bounds, tasks_per_day=None), 0.0)
        which = "WHERE id = ? AND state IN ('failed', 'cancelled')"
        return self._one(f"{RETRIED} ? {which} RETURNING {COLUMNS}", rank, task_id)

    def release(
        self, task: Task, not_before: float, spent: bool, keep_job: bool, held_until: float | None
    ) -> bool:
        return self._changed(
            "UPDATE tasks SET state = 'queued', started_at = NULL, not_before = ?,"
            " attempt = attempt - ?, job_id = ?, service = ?, held_until = coalesce(?, held_until)"
            f" {OF_THIS_ATTEMPT}",
            not_before,
            0 if spent else 1,
            task.job_id if keep_job else None,
            task.service if keep_job else None,
            held_until if keep_job else 0.0,
            *_fence(task),
        )

    def recover(self, max_attempts: int, now: float, held_until: float) -> list[Task]:
        failed = self._all(
            "UPDATE tasks SET state = 'failed', finished_at = ?, error = ?, error_code = ?"
            " WHERE state = 'running' AND worker IS NOT ? AND attempt - first_attempt >= ?"
            f" RETURNING {COLUMNS}",
            now,
            CRASHED,
            CRASHED_CODE,
            self._worker,
            max_attempts,
        )
        queued = self._all(
            "UPDATE tasks SET state = 'queued', started_at = NULL, held_until = ?"
            f" WHERE state = 'running' AND worker IS NOT ? RETURNING {COLUMNS}",
            held_until,
            self._worker,
        )
        return failed + queued

    def events(self, task_id: str, after: int) -> list[TaskEvent]:
        statement = "SELECT * FROM task_events WHERE task_id = ? AND seq > ? ORDER BY seq"
        return [event_of(dict(row)) for row in self._rows(statement, (task_id, after))]

    def _number(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])

    def _changed(self, statement: str, *values: Any) -> bool:
        return self._db.execute(statement, values).rowcount == 1

    def _one(self, statement: str, *values: Any) -> Task | None:
        tasks = self._all(statement, *values)
        return tasks[0] if tasks else None

    def _all(self, statement: str, *values: Any) -> list[Task]:
        return [task_of(dict(row)) for row in self._rows(statement, values)]

    def _rows(self, statement: str, values: Any) -> list[sqlite3.Row]:
        # fetchall runs the statement to its end: an UPDATE … RETURNING commits only then.
        return self._db.execute(statement, values).fetchall()


def _fence(task: Task) -> tuple[str, int, str | None, float | None]:
    return task.id, task.attempt, task.job_id, task.started_at
