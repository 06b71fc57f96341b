"""Takes ended tasks and their files away, the oldest first, and what no task refers to."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable

from backend.background import BackgroundLoop
from backend.errors import StorageFull, StorageUnavailable
from backend.services.uploads import FOLDER as UPLOADS
from backend.store.outputs.output_store import Folder, OutputStore
from backend.store.task_store import TaskStore
from backend.tasks import Task

log = logging.getLogger(__name__)

HOUR = 3600.0
DAY = 24 * HOUR
GB = 1000**3
FEW = 20
"""Tasks removed before it is asked again how much is left: what was sent with them counts too."""


class Retention(BackgroundLoop):
    """While it is entered, keeps ended tasks for `days`, and to `gigabytes`; 0 is no bound.

    `seconds` are between rounds, `sweep_seconds` between looks
    for folders that no task refers to; `clock` gives seconds since the epoch.
    """

    name = "retention"

    def __init__(
        self,
        store: TaskStore,
        outputs: OutputStore,
        *,
        days: float,
        gigabytes: float,
        seconds: float = 60.0,
        sweep_seconds: float = HOUR,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._store = store
        self._outputs = outputs
        self._days = days
        self._gigabytes = gigabytes
        self._seconds = seconds
        self._sweep_seconds = sweep_seconds
        self._clock = clock
        self._swept_at = float("-inf")
        self._without_task: set[str] = set()

    async def _once(self) -> None:
        try:
            await self._remove_what_may_go()
        except (StorageFull, StorageUnavailable) as exc:
            log.error("Old tasks cannot be removed now: %s", exc.message)

    async def _pause(self) -> None:
        await asyncio.sleep(self._seconds)

    async def _remove_what_may_go(self) -> None:
        await self._clear(*self._without_task)
        await self._remove_old()
        await self._remove_excess()
        if time.monotonic() - self._swept_at >= self._sweep_seconds:
            self._swept_at = time.monotonic()
            await self._sweep()

    async def _remove_old(self) -> None:
        if not self._days:
            return
        removed = True
        while removed:
            tasks = await self._store.oldest_ended(FEW)
            old = [each for each in tasks if self._age(each) > self._days * DAY]
            removed = any([await self._remove(each) for each in old])

    async def _remove_excess(self) -> None:
        if not self._gigabytes:
            return
        removed = True
        while removed and (excess := await self._excess()) > 0:
            removed = False
            for task in await self._store.oldest_ended(FEW):
                removed = await self._remove(task) or removed
                excess -= sum(output.size for output in task.outputs)
                if excess <= 0:
                    break

    def _age(self, task: Task) -> float:
        """Seconds since it ended."""
        now = self._clock()
        return now - (task.finished_at or now)

    async def _excess(self) -> float:
        return await self._store.spent_bytes() - self._gigabytes * GB

    async def _remove(self, task: Task) -> bool:
        """First the row, then the files: no task is ever shown without them."""
        if not await self._store.remove(task.id):
            return False
        told = "Task %s removed: it ended %.1f days ago"
        log.info(told, task.id, self._age(task) / DAY, extra={"task_id": task.id})
        self._without_task.add(task.id)
        return await self._clear(task.id)

    async def _clear(self, *task_ids: str) -> bool:
        """Take files away whose task is gone; False where some have to be tried again."""
        for task_id in task_ids:
            if await self._taken_away(task_id):
                self._without_task.discard(task_id)
        return self._without_task.isdisjoint(task_ids)

    async def _taken_away(self, folder: str) -> bool:
        try:
            await self._outputs.remove(folder)
        except (StorageFull, StorageUnavailable) as exc:
            log.error("The files of task %s stay for now: %s", folder, exc.message)
            return False
        return True

    async def _sweep(self) -> None:
        """What a crash left behind, and uploads that nobody has sent for as long as tasks live."""
        now = self._clock()
        await self._outputs.remove_untouched(UPLOADS, now - self._days * DAY if self._days else 0.0)
        for folder in await self._outputs.folders():
            if (
                _is_task(folder.name)
                and await self._is_left_over(folder, now)
                and await self._taken_away(folder.name)
            ):
                log.info("Folder %s removed: no task refers to what is in it", folder.name)

    async def _is_left_over(self, folder: Folder, now: float) -> bool:
        age = now - folder.touched
        if age < HOUR:
            return False  # Somebody may be writing into it.
        task = await self._store.get(folder.name)
        if task is None:
            # Tasks are lost with their database, too. Whoever puts it back finds their files, for
            # as long as the settings keep files at all.
            bounded = self._days or self._gigabytes
            return bool(bounded) and age >= self._days * DAY
        return task.state.ended and not (task.outputs or task.attachments)


def _is_task(name: str) -> bool:
    """Whether it is a folder of ours: there may be others where outputs are kept."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
