"""How many tasks wait and run, and for how long; what webhooks have still to be told.

Counted up to a bound, and only over what has not ended: millions that have cost nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.tasks import TaskState

MOST = 50_000
"""Tasks that are looked at, waiting or running: 30 ms for 10,000."""
MOST_MESSAGES = 20_000
"""The same of messages to webhooks."""
TASKS = f"""
    SELECT state, mode, count(*) AS tasks, min(since) AS since FROM (
        SELECT * FROM (
            SELECT state, mode,
                -- When one was retried by hand, its rank tells, give or take its priority.
                CASE WHEN first_attempt > 0 THEN rank ELSE created_at END AS since
            FROM tasks WHERE state = 'queued' ORDER BY rank, seq LIMIT {MOST}
        ) AS waiting
        UNION ALL
        SELECT * FROM (
            SELECT state, mode, started_at AS since FROM tasks WHERE state = 'running' LIMIT {MOST}
        ) AS running
    ) AS counted GROUP BY state, mode ORDER BY state, mode
"""
WEBHOOKS = f"""
    SELECT count(*) AS pending, min(created_at) AS since,
        (SELECT count(*) FROM (
            SELECT 1 AS one FROM webhook_deliveries WHERE state = 'failed' LIMIT {MOST_MESSAGES}
        ) AS lost) AS failed
    FROM (
        SELECT created_at FROM webhook_deliveries
        WHERE state = 'pending' ORDER BY due_at LIMIT {MOST_MESSAGES}
    ) AS waiting
"""
"""The same for both databases."""


@dataclass(frozen=True)
class TaskGroup:
    """Tasks in one state, of one mode; `since`: of the oldest, in seconds since the epoch."""

    state: TaskState
    mode: str
    tasks: int
    since: float

    @property
    def waits(self) -> bool:
        """Whether they wait for a worker."""
        return self.state is TaskState.QUEUED


@dataclass(frozen=True)
class Backlog:
    """Messages to webhooks; `since`: when the oldest that waits was written."""

    pending: int
    failed: int
    since: float | None


def groups_of(rows: Iterable[Mapping[str, Any]]) -> list[TaskGroup]:
    """The groups in rows of `TASKS`."""
    return [
        TaskGroup(TaskState(row["state"]), row["mode"], row["tasks"], row["since"]) for row in rows
    ]


def backlog_of(row: Mapping[str, Any]) -> Backlog:
    """The backlog in the row of `WEBHOOKS`."""
    return Backlog(row["pending"], row["failed"], row["since"])
