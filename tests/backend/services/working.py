"""A worker at work, and the tasks it works on."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from backend.errors import StorageFull
from backend.services.attempt import AttemptRunner
from backend.services.pace import Pace
from backend.services.worker import TaskWorker
from backend.store.sqlite.store import SQLiteTaskStore
from backend.store.task_store import Serves
from backend.tasks import Claim, Task
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.making import claimed, kept, process, queued
from tests.conditions import eventually

QUICK = Pace(idle=0.02, away=0.02, storage=0.02, backoff=0.02)
RETRYABLE = {"code": "comfyui_lost_job", "detail": "ComfyUI restarted.", "retryable": True}

MakeRunner = Callable[[float], AttemptRunner]
Working = Callable[..., AbstractAsyncContextManager[TaskWorker]]
BothWorking = Callable[..., AbstractAsyncContextManager[list[TaskWorker]]]


class FullStore(SQLiteTaskStore):
    """A store whose disk is full whenever a task is to be put back."""

    async def release(
        self,
        task: Task,
        *,
        not_before: float,
        spent: bool,
        keep_job: bool = False,
        held_until: float | None = 0.0,
    ) -> bool:
        raise StorageFull("The disk is full.")


class FullDisk:
    """A disk without room, until the test makes some."""

    full = True

    def fsync(self, descriptor: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")


class SlowStore(SQLiteTaskStore):
    """A store whose disk is slow when a task is claimed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.claiming = False

    async def claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        self.claiming = True
        claim = await super().claim(now, job_id, service, serves)
        await asyncio.sleep(0.1)
        return claim


@asynccontextmanager
async def opened(store: SQLiteTaskStore) -> AsyncIterator[SQLiteTaskStore]:
    """The store open, and closed whatever happens."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def after_a_kill(folder: Path, job_id: str = "j1") -> AsyncIterator[SQLiteTaskStore]:
    """An open store with a task `t1` that ran in a process which is no more."""
    async with process(folder) as before:
        await queued(before)
        await claimed(before, job_id=job_id)
    async with process(folder) as store:
        yield store


def problem(status: int, **fields: Any) -> httpx.Response:
    return httpx.Response(status, json={**RETRYABLE, **fields})


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
