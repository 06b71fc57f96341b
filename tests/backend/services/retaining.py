"""Retention at work, and what it looks after."""

import os
import uuid
from pathlib import Path

from backend.errors import StorageUnavailable
from backend.services.retention import Retention
from backend.store.outputs.local import LocalOutputStore
from backend.store.outputs.output_store import Folder
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Attachment, Outcome, Output, Task, TaskState
from tests.backend.making import claimed, queued
from tests.conditions import eventually

NOW = 1_700_000_000.0
PNG = "image/png"


class Disk(LocalOutputStore):
    """Outputs that tell how often they were looked through, and that can be away."""

    def __init__(self, folder: Path, store: SQLiteTaskStore) -> None:
        super().__init__(folder)
        self._tasks = store
        self.sweeps = 0
        self.away: set[str] = set()
        self.shown: list[Task | None] = []
        """The tasks as they were shown when their files went."""

    async def folders(self) -> list[Folder]:
        self.sweeps += 1
        return await super().folders()

    async def remove(self, task_id: str) -> None:
        self.shown.append(await self._tasks.get(task_id))
        if task_id in self.away:
            raise StorageUnavailable("The disk is away.")
        await super().remove(task_id)


def task_id(number: int) -> str:
    """As real ones are."""
    return str(uuid.UUID(int=number))


async def ended(
    store: SQLiteTaskStore,
    disk: Disk,
    number: int,
    *,
    ago: float = 0.0,
    size: int = 4,
    state: TaskState = TaskState.DONE,
    attachments: tuple[Attachment, ...] = (),
) -> str:
    """A task that ended so many seconds ago, whose file is said to have that size."""
    await queued(store, task_id(number), attachments=attachments)
    task = await claimed(store, job_id=f"job {number}")
    output = await disk.save(task.id, "0", b"data", PNG)
    made = (Output(output.file, PNG, size),) if state is TaskState.DONE else ()
    assert await store.finish(task, Outcome(state, made), NOW - ago)
    return task.id


def left(folder: Path, number: int, *, ago: float) -> Path:
    """A folder with a file, last written so many seconds ago."""
    path = folder / task_id(number)
    path.mkdir(parents=True, exist_ok=True)
    (path / "0.png").write_bytes(b"data")
    os.utime(path, (NOW - ago, NOW - ago))
    return path


async def all_is_done(
    store: SQLiteTaskStore, disk: Disk, *, days: float = 0, gigabytes: float = 0
) -> None:
    """Let retention look at everything at least once."""
    before = disk.sweeps
    async with Retention(
        store,
        disk,
        days=days,
        gigabytes=gigabytes,
        seconds=0.001,
        sweep_seconds=0,
        clock=lambda: NOW,
    ) as retention:
        await eventually(lambda: disk.sweeps > before + 1)
        assert retention.alive


async def kept(store: SQLiteTaskStore, *numbers: int) -> list[int]:
    """Those of these tasks that are still there."""
    return [number for number in numbers if await store.get(task_id(number))]


def names(folder: Path) -> list[str]:
    """Of what is in it."""
    return sorted(path.name for path in folder.iterdir())
