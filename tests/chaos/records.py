"""What the store has written down of every task, read past the product's own code."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.chaos.fleet import Fleet

TASKS = "SELECT id, idempotency_key, state, attempt FROM tasks"
EVENTS = "SELECT task_id, state FROM task_events ORDER BY seq"
ENDS = ("done", "failed", "cancelled")
NEXT = {
    None: ("queued",),
    "queued": ("running", "failed", "cancelled"),
    "running": ("queued", *ENDS),
}
"""What may follow which state."""


@dataclass
class Record:
    """One task as its row and its changes of state tell it."""

    key: str | None
    state: str
    attempt: int
    states: list[str] = field(default_factory=list)

    def problem(self) -> str | None:
        """What is wrong with its story, if anything is."""
        ends = [state for state in self.states if state in ENDS]
        if len(ends) != 1 or self.states[-1] != ends[0]:
            return f"it has {len(ends)} ends: {' '.join(self.states)}"
        if self.state != ends[0]:
            return f"it is {self.state}, and ended as {ends[0]}"
        for before, after in zip((None, *self.states), self.states, strict=False):
            if after not in NEXT.get(before, ()):
                return f"{after} cannot follow {before}: {' '.join(self.states)}"
        return None


def read_records(fleet: Fleet) -> dict[str, Record]:
    """By task id. With the embedded store its backend must have stopped."""
    if fleet.database is None:
        return _from_sqlite(fleet.data / "tasks.sqlite3")
    with psycopg.connect(fleet.database.url) as database:
        return _records(database.execute(TASKS), database.execute(EVENTS))


def _from_sqlite(path: Path) -> dict[str, Record]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return _records(database.execute(TASKS), database.execute(EVENTS))


def _records(
    tasks: Iterable[tuple[str, str | None, str, int]], events: Iterable[tuple[str, str]]
) -> dict[str, Record]:
    records = {task_id: Record(key, state, attempt) for task_id, key, state, attempt in tasks}
    for task_id, state in events:
        records[task_id].states.append(state)
    return records
