"""A data folder with tasks of the past in it, for a gallery to show."""

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState

HOUR = 3600.0


@dataclass(frozen=True)
class Past:
    """One task that has ended: with pictures (PNG), or with the reason why there are none."""

    prompt: str
    pictures: Sequence[bytes] = ()
    error: str | None = None
    mode: str = "free"
    workflow: str = "free_generation"
    values: Mapping[str, Any] = field(default_factory=dict)
    state: TaskState = TaskState.DONE


async def remember(folder: Path, pasts: Sequence[Past]) -> list[str]:
    """Write them into a data folder that no backend uses, oldest first; their ids."""
    async with AsyncExitStack() as stack:
        store = SQLiteTaskStore(folder)
        await store.open()
        stack.push_async_callback(store.close)
        # Nobody's work is lost if the power fails here.
        outputs = LocalOutputStore(folder / "outputs", fsync=lambda descriptor: None)
        begun = time.time() - HOUR * len(pasts) / 4
        return [
            await _remember(store, outputs, past, begun + number * HOUR / 4)
            for number, past in enumerate(pasts)
        ]


async def _remember(
    store: SQLiteTaskStore, outputs: LocalOutputStore, past: Past, at: float
) -> str:
    task = Task(
        id=str(uuid.uuid4()), mode=past.mode, workflow=past.workflow, created_at=at, rank=at
    )
    params = {"prompt": past.prompt, **past.values}
    await store.add(task, params)
    claim = await store.claim(at + 1, uuid.uuid4().hex, "http://gpu.test", lambda *_: True)
    assert claim is not None
    made = [
        await outputs.save(task.id, str(number), picture, "image/png")
        for number, picture in enumerate(past.pictures)
    ]
    code = "workflow_failed" if past.error else None
    outcome = Outcome(past.state, tuple(made), past.error, code, params)
    assert await store.finish(claim.task, outcome, at + 9)
    return task.id
