"""What has to be done now and then, so that no task waits for ever."""

import asyncio
import logging
import time
from types import TracebackType

from backend.errors import StorageFull, StorageUnavailable
from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.store.task_store import TaskStore
from backend.tasks import Task

log = logging.getLogger(__name__)

RECOVER_SECONDS = 5.0


class Upkeep:
    """While it is entered, ends tasks at their deadlines, and queues again what nobody runs.

    `alive` is False once it has died.
    """

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
    ) -> None:
        self._store = store
        self._services = services
        self._live = live
        self._max_attempts = max_attempts
        self._seconds = seconds
        self._recover_seconds = recover_seconds
        self._hold_seconds = hold_seconds
        self._recovered_at = float("-inf")
        self._trouble = ""
        self._loop: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether its loop runs."""
        return self._loop is not None and not self._loop.done()

    async def __aenter__(self) -> "Upkeep":
        await self._once()
        self._loop = asyncio.create_task(self._go_on(), name="upkeep")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._once()
            except Exception:
                log.exception("Upkeep failed: this is a bug")

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
            log.warning("Task %s is %s: its worker is gone", task.id, task.state.value)
        await self._tell(tasks)

    async def _expire(self) -> None:
        tasks = await self._store.expire(time.time())
        for task in tasks:
            log.info("Task %s cancelled: %s", task.id, task.error)
        await self._tell(tasks)

    async def _tell(self, tasks: list[Task]) -> None:
        """What has ended leaves its GPU service, too."""
        for task in tasks:
            self._live.changed(task.id, ended=task.state.ended)
        ended = [task.job for task in tasks if task.state.ended]
        await asyncio.gather(*(self._services.cancel_job(job) for job in ended))
