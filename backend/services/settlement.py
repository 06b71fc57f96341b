"""What comes of an attempt, written down: its end, or that the task is queued again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from backend.errors import StorageFull, StorageUnavailable
from backend.metrics.work import WorkMetrics
from backend.services.live import LiveHub
from backend.services.pace import Pace
from backend.store.task_store import TaskStore
from backend.tasks import Outcome, Task, TaskState

T = TypeVar("T")

log = logging.getLogger("backend.services.worker")
"""Its words are the worker's."""

STORAGE_ERRORS = (StorageFull, StorageUnavailable)


class Settlement:
    """Writes it, and tells those who watch. `jitter` draws from a range of seconds."""

    def __init__(
        self,
        store: TaskStore,
        live: LiveHub,
        pace: Pace,
        jitter: Callable[[float, float], float],
        metrics: WorkMetrics,
    ) -> None:
        self._store = store
        self._live = live
        self._pace = pace
        self._jitter = jitter
        self._metrics = metrics

    async def finish(self, task: Task, outcome: Outcome) -> bool:
        """Whether this attempt was the one that counts."""
        now = time.time()
        counted = await self.until_stored(lambda: self._store.finish(task, outcome, now))
        if not counted:
            log.warning("Task %s: late result of attempt %d dropped", task.id, task.attempt)
            self._live.changed(task.id)  # What it told after its end would stay for ever.
            return False
        self._metrics.finished(task, outcome, now)
        level = logging.WARNING if outcome.state is TaskState.FAILED else logging.INFO
        told = "Task %s %s%s (attempt %d, waited %.1f s, ran %.1f s; files: %d, bytes: %d)"
        log.log(
            level,
            told,
            task.id,
            outcome.state.value,
            _because(outcome),
            task.attempt,
            (task.started_at or now) - task.created_at,
            now - (task.started_at or now),
            len(outcome.outputs),
            sum(output.size for output in outcome.outputs),
        )
        self._live.changed(task.id, ended=True)
        return True

    async def until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """A write that may find the disk full: tried until there is room again, never dropped."""
        trouble = ""
        while True:
            try:
                return await write()
            except STORAGE_ERRORS as exc:
                if exc.message != trouble:
                    log.error("The worker cannot go on yet: %s", exc.message)
                trouble = exc.message
                await asyncio.sleep(self._pace.away)

    async def put_back(
        self,
        task: Task,
        reason: str,
        *,
        spent: bool,
        keep_job: bool,
        hold: bool,
        delay: float = 0.0,
    ) -> None:
        """Queue it again. Seconds of `delay` are drawn where the attempt was `spent`.

        With `keep_job` its job is found again; with `hold` its GPU service has it for a time.
        """
        now = time.time()
        if spent:  # Full jitter, so that what failed together does not come back together.
            delay = self._jitter(0.0, min(self._pace.backoff, 2.0**task.attempts_spent))
        counts = "counts" if spent else "does not count"
        told = "Task %s waits: %s (attempt %d, which %s; the next in %.1f s at the soonest)"
        log.warning(told, task.id, reason, task.attempt, counts, delay)
        await self.until_stored(
            lambda: self._store.release(
                task,
                not_before=now + delay,
                spent=spent,
                keep_job=keep_job,
                held_until=now + delay + self._pace.hold if hold else None,
            )
        )
        self._live.changed(task.id)

    async def hand_over(self, task: Task) -> None:
        """We are stopping: the next process goes on with it."""
        log.info("Task %s is left to whoever starts next", task.id)
        try:
            held_until = time.time() + self._pace.hold
            await self._store.release(
                task, not_before=0.0, spent=False, keep_job=True, held_until=held_until
            )
        except STORAGE_ERRORS as exc:
            # Not a moment to wait for room: the next process finds it running, and recovers it.
            log.error("Task %s cannot be put back: %s", task.id, exc.message)


def _because(outcome: Outcome) -> str:
    code = f" [{outcome.error_code}]" if outcome.error_code else ""
    return f": {outcome.error}{code}" if outcome.error else ""
