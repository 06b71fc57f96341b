"""The background worker: takes queued tasks to one GPU service and back, one a slot."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import anyio

from backend.correlation import correlated
from backend.errors import (
    GPUServiceError,
    GPUServiceRefused,
    GPUServiceUnreachable,
)
from backend.metrics.work import STORAGE, UNCOUNTED, WorkMetrics
from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import SIGNATURE_CODES, GPUService, GPUServices
from backend.services.live import LiveHub
from backend.services.pace import USUAL, Pace
from backend.services.settlement import STORAGE_ERRORS, Settlement
from backend.store.task_store import TaskStore
from backend.tasks import Claim, Outcome, Task, TaskState

log = logging.getLogger(__name__)

BUG = "The backend failed on this task: this is our bug, its log has the trace."
COMFYUI_AWAY = "comfyui_unavailable"
LET_GO = "gpu_service_let_go"
NOTHING_SPENT = frozenset(
    {"gpu_service_unreachable", COMFYUI_AWAY, LET_GO, "service_stopping", "no_free_slot"}
    | SIGNATURE_CODES
)
"""Codes of attempts that never began, or go on: they do not count."""
NOT_TAKEN = frozenset({"service_stopping", "no_free_slot"} | SIGNATURE_CODES)
"""Codes of refusals that say nothing of the job itself."""

LEAVING_SECONDS = 2.0
"""That a stop waits for jobs to be taken off GPU services that do not have to make them."""


class TaskWorker:
    """Loops of this process, while it is entered. `alive` is False once one has died."""

    def __init__(
        self,
        store: TaskStore,
        services: GPUServices,
        service: GPUService,
        runner: AttemptRunner,
        live: LiveHub,
        *,
        slots: int,
        max_attempts: int,
        pace: Pace = USUAL,
        jitter: Callable[[float, float], float] = random.uniform,
        metrics: WorkMetrics = UNCOUNTED,
    ) -> None:
        self._store = store
        self._services = services
        self._service = service
        self._serves = services.serves(service)
        self._runner = runner
        self._live = live
        self._slots = slots
        self._max_attempts = max_attempts
        self._pace = pace
        self._metrics = metrics
        self._settlement = Settlement(store, live, pace, jitter, metrics)
        metrics.watch_worker(service.url, slots, lambda: self._busy)
        self._stop = asyncio.Event()
        self._paused = False
        self._idle: list[asyncio.Event] = []
        self._woken = 0
        self._busy = 0
        self._loops: list[asyncio.Task[None]] = []
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        """Whether it is entered, and every loop runs or was told to end."""
        dead = not self._stop.is_set() and any(loop.done() for loop in self._loops)
        return bool(self._loops) and not dead

    def wake(self) -> None:
        """A task has been queued: one idle slot looks for it; those that work look afterwards."""
        self._woken += 1
        if self._idle:
            self._idle.pop(0).set()

    def pause(self, paused: bool) -> None:
        """Take nothing more, for as long as it is paused; what runs goes on."""
        self._paused = paused
        while not paused and self._idle:
            self.wake()

    async def drain(self, seconds: float) -> None:
        """Take nothing more, and wait for what runs, at most so long."""
        self._stop.set()
        while self._idle:
            self.wake()
        if self._loops:
            await asyncio.wait(self._loops, timeout=seconds)

    async def __aenter__(self) -> "TaskWorker":
        name = f"worker of {self._service.url}"
        self._loops = [
            asyncio.create_task(self._work(), name=f"{name}, slot {slot}")
            for slot in range(self._slots)
        ]
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
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=LEAVING_SECONDS)
            for leaving in late:
                leaving.cancel()
        self._loops = []

    async def _work(self) -> None:
        while not self._stop.is_set():
            if self._service.away:
                await self._look_for_service()
                continue
            woken = self._woken
            claim = await self._settlement.until_stored(self._claim)
            if claim is None:
                await self._wait_for_task(woken)
            else:
                self._busy += 1
                try:
                    with correlated(claim.task.correlation):
                        await self._attempt(claim)
                finally:
                    self._busy -= 1

    async def _claim(self) -> Claim | None:
        if self._stop.is_set() or self._paused:
            return None
        claiming = asyncio.ensure_future(
            # A new id at each try: one that was not answered may have been taken all the same.
            self._store.claim(time.time(), str(uuid.uuid4()), self._service.url, self._serves)
        )
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(*STORAGE_ERRORS):
                if (claim := await claiming) is not None:
                    with correlated(claim.task.correlation):
                        await self._settlement.hand_over(claim.task)
            raise

    async def _wait_for_task(self, woken: int) -> None:
        """Unless one has come since there were so many calls."""
        if self._stop.is_set() or self._woken != woken:
            return
        called = asyncio.Event()
        self._idle.append(called)
        with anyio.move_on_after(self._pace.idle):
            await called.wait()
        if called in self._idle:
            self._idle.remove(called)

    async def _rest(self, seconds: float | None = None) -> None:
        with anyio.move_on_after(self._pace.away if seconds is None else seconds):
            await self._stop.wait()

    async def _attempt(self, claim: Claim) -> None:
        task = claim.task
        resumed = ", to be found again" if claim.resume else ""
        told = "Task %s: attempt %d, job %s on %s%s"
        log.info(told, task.id, task.attempt, task.job_id, task.service, resumed)
        self._live.changed(task.id)
        self._let_go(claim)
        try:
            outcome = await self._runner.run(
                claim,
                in_use=lambda: self._in_use(task),
                current=lambda: self._store.is_current(task),
            )
        except GPUServiceError as exc:
            await self._after_failure(claim, exc)
        except STORAGE_ERRORS as exc:
            # Its job is done, and found again once there is room.
            self._metrics.retried(STORAGE, spent=False)
            await self._settlement.put_back(
                task, exc.message, spent=False, keep_job=True, hold=True, delay=self._pace.storage
            )
            await self._rest(self._pace.storage)
        except asyncio.CancelledError:
            await self._settlement.hand_over(task)
            raise
        except Exception:
            log.exception("Task %s: this is a bug", task.id)
            if await self._settlement.finish(
                task, Outcome(TaskState.FAILED, error=BUG, error_code="bug")
            ):
                await self._services.cancel_job(task.job)
        else:
            await self._settlement.finish(task, outcome)

    async def _in_use(self, task: Task) -> bool:
        """Whether the job is still one that this task waits for, be it in another attempt."""
        now = await self._store.get(task.id)
        return now is not None and not now.state.ended and now.job_id == task.job_id

    def _let_go(self, claim: Claim) -> None:
        """Take the job that nobody waits for off the GPU service that had the task before."""
        if claim.left is None:
            return
        leaving = asyncio.create_task(self._services.cancel_job(claim.left))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _after_failure(self, claim: Claim, exc: GPUServiceError) -> None:
        task, spent = claim.task, exc.code not in NOTHING_SPENT
        # What broke off may go on without us, and is found again; what was refused is over.
        keep_job = not isinstance(exc, GPUServiceRefused) or exc.code in NOT_TAKEN
        tried = task.attempts_spent
        if not exc.retryable or (spent and tried >= self._max_attempts):
            tries = f" (after {tried} attempts)" if tried > 1 else ""
            outcome = Outcome(TaskState.FAILED, error=exc.message + tries, error_code=exc.code)
            if await self._settlement.finish(task, outcome) and exc.retryable and keep_job:
                await self._services.cancel_job(task.job)
            return
        # What never began leaves the hold as it was: another may have it when that is over.
        hold = spent or exc.code == LET_GO
        self._metrics.retried(exc.code, spent=spent)
        await self._settlement.put_back(
            task, exc.message, spent=spent, keep_job=keep_job, hold=hold
        )
        if exc.code in SIGNATURE_CODES:
            self._service.away = self._service.refused = True
        elif isinstance(exc, GPUServiceUnreachable) or exc.code == COMFYUI_AWAY:
            self._service.away = True
        elif not spent:
            await self._rest()

    async def _look_for_service(self) -> None:
        # Waits first: its health may answer while its jobs cannot be reached.
        await self._rest()
        if self._service.away and await self._service.can_work():
            self._service.away = False
            log.info("The GPU service %s is back", self._service.url)
            await self._service.refresh()


def _report_death(loop: "asyncio.Task[None]") -> None:
    if not loop.cancelled() and (error := loop.exception()) is not None:
        log.critical("%s has died", loop.get_name(), exc_info=error)
