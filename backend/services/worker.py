"""The background worker: takes queued tasks, one a slot, to the GPU service and back."""

import asyncio
import base64
import binascii
import logging
import random
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

import anyio

from backend.clients.gpu_client import GPUClient
from backend.errors import (
    GPUServiceError,
    GPUServiceUnreachable,
    StorageFull,
    StorageUnavailable,
)
from backend.services.catalogue import ModeCatalogue
from backend.services.task_ends import TaskEnds
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState

T = TypeVar("T")

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""How often the queue is looked at when nothing wakes us: for tasks that become due."""
AWAY_SECONDS = 1.0
"""How often a GPU service that is away is asked whether it is back."""
CATALOGUE_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 30.0
STORAGE_ERRORS = (StorageFull, StorageUnavailable)
BUG = "The backend failed on this task: this is our bug, its log has the trace."
NOTHING_SPENT = frozenset({"gpu_service_unreachable", "comfyui_unavailable", "service_stopping"})
"""Codes of attempts that never began: they do not count."""


class TaskWorker:
    """Loops of this process, while it is entered. `alive` is False once one has died."""

    def __init__(
        self,
        store: SQLiteTaskStore,
        outputs: OutputStore,
        client: GPUClient,
        catalogue: ModeCatalogue,
        ends: TaskEnds,
        *,
        slots: int,
        max_attempts: int,
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._client = client
        self._catalogue = catalogue
        self._ends = ends
        self._slots = slots
        self._max_attempts = max_attempts
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
        if recovered := await self._store.recover():
            log.warning("%d tasks ran when the last process ended: queued again", recovered)
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
            task = await _until_stored(lambda: self._store.claim(time.time()))
            if task is None:
                await self._idle()
            else:
                await self._attempt(task)

    async def _idle(self) -> None:
        with anyio.move_on_after(IDLE_SECONDS):
            await self._queued.wait()

    async def _attempt(self, task: Task) -> None:
        log.info("Task %s: attempt %d", task.id, task.attempt)
        try:
            outcome = await self._outcome(task)
        except GPUServiceError as exc:
            await self._after_failure(task, exc)
        except STORAGE_ERRORS as exc:
            await self._put_back(task, exc.message, spent=False)
            await asyncio.sleep(AWAY_SECONDS)
        except asyncio.CancelledError:
            # We are stopping: the next process goes on with it.
            await self._put_back(task, "the backend stops", spent=False)
            raise
        except Exception:
            log.exception("Task %s: this is a bug", task.id)
            await self._finish(task, Outcome(TaskState.FAILED, error=BUG, error_code="bug"))
        else:
            await self._finish(task, outcome)

    async def _outcome(self, task: Task) -> Outcome:
        answer = await self._client.generate(task.workflow, task.params)
        image = answer.get("image")
        if answer.get("status") != "done" or not isinstance(image, str):
            error = str(answer.get("error") or "The GPU service gave no image and no reason.")
            return Outcome(TaskState.FAILED, error=error, error_code="generation_failed")
        output = await self._outputs.save(task.id, 0, _bytes(image))
        return Outcome(TaskState.DONE, outputs=(output,))

    async def _after_failure(self, task: Task, exc: GPUServiceError) -> None:
        spent = exc.code not in NOTHING_SPENT
        if not exc.retryable or (spent and task.attempt >= self._max_attempts):
            tries = f" (after {task.attempt} attempts)" if task.attempt > 1 else ""
            outcome = Outcome(TaskState.FAILED, error=exc.message + tries, error_code=exc.code)
            await self._finish(task, outcome)
            return
        await self._put_back(task, exc.message, spent=spent)
        if isinstance(exc, GPUServiceUnreachable):
            await self._until_back()
        elif not spent:
            await asyncio.sleep(AWAY_SECONDS)

    async def _put_back(self, task: Task, reason: str, *, spent: bool) -> None:
        log.warning("Task %s waits: %s", task.id, reason)
        # Full jitter, so that what failed together does not come back together.
        delay = random.uniform(0, min(MAX_BACKOFF_SECONDS, 2.0**task.attempt)) if spent else 0.0  # noqa: S311
        due = time.time() + delay
        await _until_stored(lambda: self._store.release(task, not_before=due, spent=spent))

    async def _until_back(self) -> None:
        while not await self._client.check_health():
            await asyncio.sleep(AWAY_SECONDS)
        log.info("The GPU service is back")
        await self._catalogue.refresh()

    async def _finish(self, task: Task, outcome: Outcome) -> None:
        counted = await _until_stored(lambda: self._store.finish(task, outcome, time.time()))
        if not counted:
            log.warning("Task %s: late result of attempt %d dropped", task.id, task.attempt)
            return
        log.info("Task %s %s%s", task.id, outcome.state.value, _because(outcome.error))
        self._ends.announce(task.id)

    async def _keep_catalogue(self) -> None:
        while not self._stop.is_set():
            await self._catalogue.refresh()
            await asyncio.sleep(CATALOGUE_SECONDS)


async def _until_stored(write: Callable[[], Awaitable[T]]) -> T:
    """A write that may find the disk full: tried until there is room again, never dropped."""
    while True:
        try:
            return await write()
        except STORAGE_ERRORS as exc:
            log.error("The worker cannot go on yet: %s", exc.message)
            await asyncio.sleep(AWAY_SECONDS)


def _bytes(image: str) -> bytes:
    """The image's bytes; what is not base64 is the stub's placeholder, kept as the word it is."""
    try:
        return base64.b64decode(image, validate=True)
    except binascii.Error:
        return image.encode()


def _because(error: str | None) -> str:
    return f": {error}" if error else ""


def _report_death(loop: "asyncio.Task[None]") -> None:
    if not loop.cancelled() and (error := loop.exception()) is not None:
        log.critical("%s has died", loop.get_name(), exc_info=error)
