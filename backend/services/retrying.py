"""Running a task once more that has failed or was cancelled."""

import logging
import time
from collections.abc import Callable

from backend.access import Caller
from backend.errors import TaskAlreadyDone, TaskNotFound
from backend.metrics.work import BY_HAND, UNCOUNTED, WorkMetrics
from backend.services.admission import Admission
from backend.services.live import LiveHub
from backend.store.task_store import TaskStore
from backend.tasks import TaskState

log = logging.getLogger(__name__)


class TaskRetry:
    """It is the same task, and its attempts go on; how many it may spend is counted anew."""

    def __init__(
        self,
        store: TaskStore,
        live: LiveHub,
        admission: Admission,
        *,
        ageing: float,
        on_queued: Callable[[], None],
        metrics: WorkMetrics = UNCOUNTED,
    ) -> None:
        self._store = store
        self._live = live
        self._admission = admission
        self._ageing = ageing
        self._on_queued = on_queued
        self._metrics = metrics

    async def retry(self, task_id: str, caller: Caller) -> None:
        """Queue it again; one that waits or runs stays as it is.

        Raises TaskNotFound, TaskAlreadyDone; QueueFull, StorageFull and StorageUnavailable.
        """
        task = await self._store.get(task_id)
        if task is None or not caller.may_see(task):
            raise TaskNotFound(f"There is no task {task_id[:100]!r}.")
        if task.state is TaskState.DONE:
            raise TaskAlreadyDone(
                "The task is done: its outputs are there. Send a new one for another image."
            )
        if not task.state.ended:
            return
        await self._admission.check()
        rank = task.priority.rank(time.time(), self._ageing)
        if await self._store.retry(task.id, rank, caller.bounds) is not None:
            told = "Task %s queued again by %s, after %d attempts"
            who, about = caller.key_id or caller.name, {"task_id": task.id}
            log.info(told, task.id, who, task.attempt, extra=about)
            self._metrics.retried(BY_HAND, spent=False)
            self._live.changed(task.id)
            self._on_queued()
