"""What happens to a task, as it happens: its changes of state, its progress, its previews."""

from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from typing import Any

import anyio

from backend.access import Caller
from backend.services.access import AccessService
from backend.services.live import LiveHub, Watch
from backend.services.tasks import TaskService
from backend.store.task_store import TaskStore
from backend.tasks import TaskEvent

HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True)
class StoryEvent:
    """One thing that happened; `seq` only where it is kept, and can be asked for again."""

    kind: str
    data: dict[str, Any]
    seq: int | None = None


class TaskStory:
    """Changes of state are read from the store: none is missed. What passes by is the newest."""

    def __init__(
        self,
        store: TaskStore,
        live: LiveHub,
        tasks: TaskService,
        access: AccessService,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._store = store
        self._live = live
        self._tasks = tasks
        self._access = access
        self._heartbeat_seconds = heartbeat_seconds

    async def follow(
        self, task_id: str, caller: Caller, after: int
    ) -> AsyncGenerator[StoryEvent | None, None]:
        """What came after that sequence number, then what comes, until the task has ended.

        None where there has been nothing to say for a while. A key that is revoked meanwhile
        reads no further. Raises KeysUnusable, StorageUnavailable.
        """
        seen: set[object] = set()
        with self._live.watch(task_id) as watch:
            watch.stale = False
            known = await self._store.events(task_id)
            if known and after > known[-1].seq:
                after = 0  # A number of another database: told twice is better than never.
            events = _of_this_run([event for event in known if event.seq > after])
            if not events and await self._is_over(task_id):
                return
            while True:
                watch.woken.clear()
                if watch.stale and not await self._access.still_holds(caller):
                    return
                events = events or await self._news(watch, task_id, after)
                for event in events:
                    after = event.seq
                    yield await self._told(task_id, caller, event, last=event is events[-1])
                # One that has failed may have been retried since.
                if events and events[-1].state.ended:
                    return
                events = []
                for passing in self._passing(task_id, seen):
                    yield passing
                if self._live.closed:
                    return
                with anyio.move_on_after(self._heartbeat_seconds) as waited:
                    await watch.woken.wait()
                if waited.cancelled_caught:
                    watch.stale = True  # To be sure: news may have been lost.
                    yield None

    async def _news(self, watch: Watch, task_id: str, after: int) -> list[TaskEvent]:
        """Changes of state, which are looked for only where there may be one."""
        if not watch.stale:
            return []
        watch.stale = False
        return _of_this_run(await self._store.events(task_id, after))

    @property
    def closed(self) -> bool:
        """Whether the process stops: stories end before their tasks do."""
        return self._live.closed

    async def _is_over(self, task_id: str) -> bool:
        task = await self._store.get(task_id)
        return task is None or task.state.ended

    async def _told(
        self, task_id: str, caller: Caller, event: TaskEvent, *, last: bool
    ) -> StoryEvent:
        if event.state.ended and last:
            task = await self._tasks.show(task_id, caller, with_image=False)
            return StoryEvent(event.state.value, task.model_dump(mode="json"), event.seq)
        data = {"task_id": task_id, "status": event.state.value, "attempt": event.attempt}
        return StoryEvent(event.state.value, data, event.seq)

    def _passing(self, task_id: str, seen: set[object]) -> list[StoryEvent]:
        newest = {
            "progress": self._live.progress(task_id),
            "preview": self._live.preview(task_id),
        }
        fresh = {kind: each for kind, each in newest.items() if each and each not in seen}
        seen.clear()
        seen.update(newest.values())
        return [StoryEvent(kind, asdict(each)) for kind, each in fresh.items()]


def _of_this_run(events: list[TaskEvent]) -> list[TaskEvent]:
    """Without what a retry has overcome: whoever hears of an end takes it for the end."""
    ends = [place for place, event in enumerate(events[:-1]) if event.state.ended]
    return events[ends[-1] + 1 :] if ends else events
