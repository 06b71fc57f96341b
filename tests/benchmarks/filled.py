"""A data folder with a queue and a history in it, written in seconds."""

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from backend.store.rows import ADDED, FINISHED, added_row, finished_row
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Output, Task, TaskState

DAY = 86400.0


async def fill(folder: Path, workflow: str, *, queued: int, finished: int) -> None:
    """Tasks of one workflow: the finished ones of the last day, the queued ones of now."""
    store = SQLiteTaskStore(folder)
    await store.open()  # Makes the schema.
    await store.close()
    await asyncio.to_thread(_fill, folder / "tasks.sqlite3", workflow, queued, finished)


def _fill(path: Path, workflow: str, queued: int, finished: int) -> None:
    now = time.time()
    history = [
        _task(workflow, now - DAY + DAY * number / (finished + 1)) for number in range(finished)
    ]
    queue = [_task(workflow, now) for _ in range(queued)]
    marks = ", ".join("?" * len(ADDED.split(",")))
    ends = ", ".join(f"{name} = ?" for name in FINISHED.split(", "))
    with closing(sqlite3.connect(path)) as database, database:
        add = f"INSERT INTO tasks ({ADDED}) VALUES ({marks})"
        database.executemany(add, (_added(task, number) for number, task in enumerate(history)))
        # The triggers write the events, as they do in life.
        database.execute("UPDATE tasks SET state = 'running', attempt = 1, started_at = created_at")
        database.executemany(f"UPDATE tasks SET {ends} WHERE id = ?", _ended(history))
        database.executemany(add, (_added(task, number) for number, task in enumerate(queue)))


def _task(workflow: str, created_at: float) -> Task:
    return Task(
        id=str(uuid.uuid4()),
        mode=workflow,
        workflow=workflow,
        created_at=created_at,
        rank=created_at,
        idempotency_key=str(uuid.uuid4()),
        fingerprint=uuid.uuid4().hex * 2,
    )


def _added(task: Task, number: int) -> tuple[Any, ...]:
    return added_row(task, _params(number))


def _params(number: int) -> dict[str, Any]:
    prompt = f"a lighthouse at dawn, waves, birds, long exposure, number {number}"
    return {"prompt": prompt, "width": 512, "height": 768, "seed": number, "steps": 25}


def _ended(tasks: list[Task]) -> Iterator[tuple[Any, ...]]:
    output = Output("0.png", "image/png", 400_000)
    for number, task in enumerate(tasks):
        outcome = Outcome(TaskState.DONE, outputs=(output,), values=_params(number))
        yield (*finished_row(outcome, task.created_at + 4.2), task.id)
