"""Draining by hand: nothing more is taken out of the queue, until that is taken back."""

import logging
from collections.abc import Iterable
from typing import Protocol

from backend.access import Caller
from backend.schemas.response_queue import DrainResponse
from backend.services.readiness import Readiness
from backend.services.tasks import TaskService

log = logging.getLogger(__name__)


class Pausable(Protocol):
    """A worker of this process."""

    def pause(self, paused: bool) -> None:
        """Take nothing more, for as long as it is paused."""


class Draining:
    """Of this backend alone: workers that are processes of their own go on."""

    def __init__(
        self, workers: Iterable[Pausable], readiness: Readiness, tasks: TaskService
    ) -> None:
        self._workers = list(workers)
        self._readiness = readiness
        self._tasks = tasks

    async def set(self, draining: bool, caller: Caller) -> DrainResponse:
        """How it stands then. Raises StorageUnavailable."""
        log.warning("%s by %r", "Drained" if draining else "Goes on", caller.name)
        for worker in self._workers:
            worker.pause(draining)
        self._readiness.pause(draining)
        queue = await self._tasks.queue()
        return DrainResponse(draining=draining, queued=queue.queued, running=queue.running)
