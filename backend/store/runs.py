"""What runs, and since when.

A ComfyUI runs one task after the other; the next one is claimed before, to be ready. So a task
has begun once all that were claimed before it, for its GPU service, have ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 200
"""Ended tasks that are looked at for each, the newest: mostly fewer end while it waits and runs."""
BEGAN = f"""
    coalesce((
        SELECT max(ahead.finished_at) FROM (
            SELECT service, started_at, finished_at FROM tasks AS ended
            WHERE ended.finished_at > tasks.started_at
                AND ended.finished_at < coalesce(tasks.finished_at, 9e99)
            ORDER BY ended.finished_at DESC LIMIT {MOST}
        ) AS ahead
        WHERE ahead.service = tasks.service AND ahead.started_at < tasks.started_at
    ), started_at)
"""
"""Of a row of tasks that runs or has run. What still runs before it is not looked for."""
RUNS = f"""
    SELECT id, workflow, service, {BEGAN} AS began FROM tasks
    WHERE state = 'running' ORDER BY started_at, seq
"""
"""The same for both databases."""


@dataclass(frozen=True)
class Run:
    """A task that runs, or is ready to when those before it on its GPU service have ended."""

    task_id: str
    workflow: str
    service: str | None
    began: float
    """In seconds since the epoch, where none runs before it."""


def runs_of(rows: Iterable[Mapping[str, Any]]) -> list[Run]:
    """The runs in rows of `RUNS`."""
    return [Run(row["id"], row["workflow"], row["service"], row["began"]) for row in rows]
