"""A worker at work, and the tasks it works on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from backend.errors import StorageFull
from backend.services.attempt import AttemptRunner
from backend.services.worker import Pace, TaskWorker
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Task
from tests.backend.gpu_service import FakeJob, GPUService
from tests.conditions import eventually

QUICK = Pace(idle=0.02, away=0.02, catalogue=0.02, backoff=0.02)
RETRYABLE = {"code": "comfyui_lost_job", "detail": "ComfyUI restarted.", "retryable": True}

MakeRunner = Callable[[float], AttemptRunner]
Working = Callable[..., AbstractAsyncContextManager[TaskWorker]]


class FullStore(SQLiteTaskStore):
    """A store whose disk is full whenever a task is to be put back."""

    async def release(
        self, task: Task, *, not_before: float, spent: bool, keep_job: bool = False
    ) -> bool:
        raise StorageFull("The disk is full.")


class SlowStore(SQLiteTaskStore):
    """A store whose disk is slow when a task is claimed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.claiming = False

    async def claim(self, now: float, job_id: str) -> Task | None:
        self.claiming = True
        task = await super().claim(now, job_id)
        await asyncio.sleep(0.1)
        return task


@asynccontextmanager
async def opened(store: SQLiteTaskStore) -> AsyncIterator[SQLiteTaskStore]:
    """The store open, and closed whatever happens."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def problem(status: int, **fields: Any) -> httpx.Response:
    return httpx.Response(status, json={**RETRYABLE, **fields})


async def kept(store: SQLiteTaskStore, task_id: str = "t1") -> Task:
    task = await store.get(task_id)
    assert task is not None
    return task


async def ended(store: SQLiteTaskStore, task_id: str = "t1") -> Task:
    async def look() -> bool:
        return (await kept(store, task_id)).state.ended

    await eventually(look)
    return await kept(store, task_id)


def nothing_happens(job: FakeJob) -> None:
    """Accepted, and not started yet."""


def put_ids(gpu: GPUService) -> list[str]:
    """The ids of all PUTs, refused ones too."""
    return list(gpu.arrived)


def resumes(gpu: GPUService) -> list[bool]:
    """What the jobs that were taken said of it."""
    return [job.sent["resume"] for job in gpu.jobs]
