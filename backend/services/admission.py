"""Whether another task is taken."""

import asyncio
import time
from collections.abc import Callable

from backend.errors import QueueFull
from backend.services.room import Room
from backend.store.task_store import TaskStore

COUNT_SECONDS = 0.5


class Admission:
    """Bounds the queue, and keeps room on the disk for the tasks that are in it.

    The queue is counted twice a second and not at each request: what was taken since is added.
    """

    def __init__(
        self,
        store: TaskStore,
        room: Room,
        max_queued: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._room = room
        self._max_queued = max_queued
        self._clock = clock
        self._counted_at = float("-inf")
        self._queued = 0
        self._counting = asyncio.Lock()

    async def check(self) -> None:
        """Raise QueueFull, StorageFull, StorageUnavailable where no task is taken now."""
        self._room.check()
        async with self._counting:  # One counts, and those who came with it wait for that.
            if self._clock() - self._counted_at >= COUNT_SECONDS:
                self._queued = await self._store.queued()
                self._counted_at = self._clock()
        if self._queued >= self._max_queued:
            raise QueueFull(
                f"{self._max_queued} tasks wait already (MAX_QUEUED_TASKS). Try again later."
            )
        self._queued += 1
