"""The background worker: takes queued tasks, one a slot, to the GPU service and back."""

import asyncio
import functools
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import anyio

from backend.clients.gpu_client import GPUClient
from backend.errors import (
    GPUServiceError,
    GPUServiceRefused,
    GPUServiceUnreachable,
    StorageFull,
    StorageUnavailable,
)
from backend.services.attempt import AttemptRunner
from backend.services.catalogue import ModeCatalogue
from backend.services.task_ends import TaskEnds
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState

T = TypeVar("T")

log = logging.getLogger(__name__)

STORAGE_ERRORS = (StorageFull, StorageUnavailable)
BUG = "The backend failed on this task: this is our bug, its log has the trace."
NOTHING_SPENT = frozenset(
    {"gpu_service_unreachable", "comfyui_unavailable", "service_stopping", "no_free_slot"}
)
"""Codes of attempts that never began: they do not count."""
NOT_TAKEN = frozenset({"service_stopping", "no_free_slot"})
"""Codes of refusals that say nothing of the job itself."""


@dataclass(frozen=True)
class Pace:
    """How long the worker waits, in seconds."""

    idle: float = 1.0
    """Between looks at the queue when nothing wakes us: for tasks that become due."""
    away: float = 1.0
    """Between looks whether a GPU service, or room on the disk, is back."""
    catalogue: float = 5.0
    backoff: float = 30.0
    """Before an attempt is repeated, at most."""


class TaskWorker:
    """Loops of this process, while it is entered. `alive` is False once one has died."""

    def __init__(
        self,
        store: SQLiteTaskStore,
        runner: AttemptRunner,
        client: GPUClient,
        catalogue: ModeCatalogue,
        ends: TaskEnds,
        *,
        slots: int,
        max_attempts: int,
        pace: Pace = Pace(),
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._store = store
        self._runner = runner
        self._client = client
        self._catalogue = catalogue
        self._ends = ends
        self._slots = slots
        self._max_attempts = max_attempts
        self._pace = pace
        self._jitter = jitter
        self._stop = asyncio.Event()
        self._queued = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    @property
    def alive(self) -> bool:
        """Whether every loop runs."""
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    def wake(self) -> None:
        """A task has been queued."""
        self._queued.set()

    async def __aenter__(self) -> "TaskWorker":
        if recovered := await self._store.recover(self._max_attempts, time.time()):
            log.warning("%d tasks ran when the last process ended", recovered)
        self._loops = [
            asyncio.create_task(self._work(), name=f"worker-{slot}") for slot in range(self._slots)
        ]
        self._loops.append(asyncio.create_task(self._keep_catalogue(), name="catalogue"))
        for loop in self._loops:
            loop.add_done_callback(_report_death)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _work(self) -> None:
        while not self._stop.is_set():
            self._queued.clear()
            job_id = str(uuid.uuid4())
            task = await self._until_stored(functools.partial(self._claim, job_id))
            if task is None:
                await self._idle()
            else:
                await self._attempt(task, resume=task.job_id != job_id)

    async def _claim(self, job_id: str) -> Task | None:
        claiming = asyncio.ensure_future(self._store.claim(time.time(), job_id))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(*STORAGE_ERRORS):
                if (task := await claiming) is not None:
                    await self._hand_over(task)
            raise

    async def _idle(self) -> None:
        with anyio.move_on_after(self._pace.idle):
            await self._queued.wait()

    async def _attempt(self, task: Task, *, resume: bool) -> None:
        log.info("Task %s: attempt %d, job %s", task.id, task.attempt, task.job_id)
        try:
            outcome = await self._runner.run(
                task, resume=resume, still_wanted=lambda: self._store.is_current(task)
            )
        except GPUServiceError as exc:
            await self._after_failure(task, exc)
        except STORAGE_ERRORS as exc:
            # Its job is done, and found again once there is room.
            await self._put_back(task, exc.message, spent=False, keep_job=True)
            await asyncio.sleep(self._pace.away)
        except asyncio.CancelledError:
            await self._hand_over(task)
            raise
        except Exception:
            log.exception("Task %s: this is a bug", task.id)
            await self._finish(task, Outcome(TaskState.FAILED, error=BUG, error_code="bug"))
        else:
            await self._finish(task, outcome)

    async def _after_failure(self, task: Task, exc: GPUServiceError) -> None:
        spent = exc.code not in NOTHING_SPENT
        # What broke off may go on without us, and is found again; what was refused is over.
        keep_job = not isinstance(exc, GPUServiceRefused) or exc.code in NOT_TAKEN
        if not exc.retryable or (spent and task.attempt >= self._max_attempts):
            tries = f" (after {task.attempt} attempts)" if task.attempt > 1 else ""
            outcome = Outcome(TaskState.FAILED, error=exc.message + tries, error_code=exc.code)
            await self._finish(task, outcome)
            if exc.retryable and keep_job and task.job_id is not None:
                await self._runner.cancel(task.job_id)
            return
        await self._put_back(task, exc.message, spent=spent, keep_job=keep_job)
        if isinstance(exc, GPUServiceUnreachable):
            await self._until_back()
        elif not spent:
            await asyncio.sleep(self._pace.away)

    async def _put_back(self, task: Task, reason: str, *, spent: bool, keep_job: bool) -> None:
        log.warning("Task %s waits: %s", task.id, reason)
        # Full jitter, so that what failed together does not come back together.
        delay = self._jitter(0.0, min(self._pace.backoff, 2.0**task.attempt)) if spent else 0.0
        due = time.time() + delay
        await self._until_stored(
            lambda: self._store.release(task, not_before=due, spent=spent, keep_job=keep_job)
        )

    async def _hand_over(self, task: Task) -> None:
        """We are stopping: the next process goes on with it."""
        try:
            await self._store.release(task, not_before=0.0, spent=False, keep_job=True)
        except STORAGE_ERRORS as exc:
            # Not a moment to wait for room: the next process finds it running, and recovers it.
            log.error("Task %s cannot be put back: %s", task.id, exc.message)

    async def _until_back(self) -> None:
        # Waits first: its health may answer while its /generate cannot be reached.
        await asyncio.sleep(self._pace.away)
        while not await self._client.check_health():
            await asyncio.sleep(self._pace.away)
        log.info("The GPU service is back")
        await self._catalogue.refresh()

    async def _finish(self, task: Task, outcome: Outcome) -> None:
        counted = await self._until_stored(lambda: self._store.finish(task, outcome, time.time()))
        if not counted:
            log.warning("Task %s: late result of attempt %d dropped", task.id, task.attempt)
            return
        log.info("Task %s %s%s", task.id, outcome.state.value, _because(outcome.error))
        self._ends.announce(task.id)

    async def _keep_catalogue(self) -> None:
        while not self._stop.is_set():
            await self._catalogue.refresh()
            await asyncio.sleep(self._pace.catalogue)

    async def _until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """A write that may find the disk full: tried until there is room again, never dropped."""
        while True:
            try:
                return await write()
            except STORAGE_ERRORS as exc:
                log.error("The worker cannot go on yet: %s", exc.message)
                await asyncio.sleep(self._pace.away)


def _because(error: str | None) -> str:
    return f": {error}" if error else ""


def _report_death(loop: "asyncio.Task[None]") -> None:
    if not loop.cancelled() and (error := loop.exception()) is not None:
        log.critical("%s has died", loop.get_name(), exc_info=error)
