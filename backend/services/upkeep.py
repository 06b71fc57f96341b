"""What has to be done now and then, so that no task waits for ever."""

import asyncio
import logging
import time

from backend.background import BackgroundLoop
from backend.correlation import correlated
from backend.errors import StorageFull, StorageUnavailable
from backend.metrics.work import UNCOUNTED, WORKER_GONE, WorkMetrics
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.store.task_store import TaskStore
from backend.tasks import Task

log = logging.getLogger(__name__)

RECOVER_SECONDS = 5.0


class Upkeep(BackgroundLoop):
    """While it is entered, ends tasks at their deadlines, and queues again what nobody runs."""

    name = "upkeep"

    def __init__(
        self,
        store: TaskStore,
        services: GPUServices,
        live: LiveHub,
        *,
        max_attempts: int,
        seconds: float = 1.0,
        recover_seconds: float = RECOVER_SECONDS,
        hold_seconds: float = 20.0,
        metrics: WorkMetrics = UNCOUNTED,
    ) -> None:
        super().__init__()
        self._store = store
        self._services = services
        self._live = live
        self._max_attempts = max_attempts
        self._seconds = seconds
        self._recover_seconds = recover_seconds
        self._hold_seconds = hold_seconds
        self._metrics = metrics
        self._recovered_at = float("-inf")
        self._trouble = ""

    async def __aenter__(self) -> "Upkeep":
        # Before anything else begins: what an earlier process left running waits again.
        await self._once()
        return await super().__aenter__()

    async def _go_on(self) -> None:
        await self._pause()
        await super()._go_on()

    async def _pause(self) -> None:
        await asyncio.sleep(self._seconds)

    async def _once(self) -> None:
        try:
            await self._recover()
            await self._expire()
        except (StorageFull, StorageUnavailable) as exc:
            if exc.message != self._trouble:
                log.error("Upkeep has to wait: %s", exc.message)
            self._trouble = exc.message
        else:
            self._trouble = ""

    async def _recover(self) -> None:
        if time.monotonic() - self._recovered_at < self._recover_seconds:
            return
        now = time.time()
        tasks = await self._store.recover(self._max_attempts, now, now + self._hold_seconds)
        self._recovered_at = time.monotonic()
        for task in tasks:
            with correlated(task.correlation):
                log.warning("Task %s is %s: its worker is gone", task.id, task.state.value)
            if not task.state.ended:
                self._metrics.retried(WORKER_GONE, spent=True)
        await self._tell(tasks)

    async def _expire(self) -> None:
        tasks = await self._store.expire(time.time())
        for task in tasks:
            with correlated(task.correlation):
                log.info("Task %s cancelled: %s", task.id, task.error)
        await self._tell(tasks)

    async def _tell(self, tasks: list[Task]) -> None:
        """What has ended leaves its GPU service, too."""
        for task in tasks:
            self._live.changed(task.id, ended=task.state.ended)
            if task.state.ended:
                self._metrics.ended(task, task.state, task.error_code)
        await asyncio.gather(*(self._leave(task) for task in tasks if task.state.ended))

    async def _leave(self, task: Task) -> None:
        with correlated(task.correlation):
            await self._services.cancel_job(task.job)
