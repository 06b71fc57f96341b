"""What happens to tasks right now, for whoever watches: one process's hub. Nothing is kept."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")

MOST_PROGRESS, MOST_PREVIEWS = 10_000, 100
"""Tasks whose newest is kept."""
AT_ONCE = 40
"""Watchers woken in one turn of the loop: thousands would keep everybody else waiting."""


@dataclass(frozen=True)
class LiveProgress:
    """`value` is from 0 to 1, `node` the title of the node that runs."""

    value: float
    node: str | None = None


@dataclass(frozen=True)
class Preview:
    """A picture of what is being made, in base64."""

    content_type: str
    image: str


class Relay(Protocol):
    """Takes what happens in this process to the others."""

    def progressed(self, task_id: str, progress: LiveProgress) -> None:
        """The task has come so far."""

    def previewed(self, task_id: str, preview: Preview) -> None:
        """The task looks like this by now."""


@dataclass(eq=False)
class Watch:
    """One who watches a task: told that there is something new, and looks for itself."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at every news; the watcher clears it."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the task may have ended, or the process stops; the watcher clears it."""
    stale: bool = True
    """Whether its state may have changed; the watcher clears it. Progress alone leaves it."""


class LiveHub:
    """Workers tell, requests watch. A slow watcher finds the newest, and holds up nobody."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._progress: dict[str, LiveProgress] = {}
        self._previews: dict[str, Preview] = {}
        self._closed = False
        self.relay: Relay | None = None
        self.on_changed: Callable[[], None] = _nobody
        """Called when any task has another state."""

    @property
    def closed(self) -> bool:
        """Whether the process stops."""
        return self._closed

    def changed(self, task_id: str, *, ended: bool = False) -> None:
        """The task has another state, or another attempt: its progress so far is history."""
        self._progress.pop(task_id, None)
        self._previews.pop(task_id, None)
        self._wake(task_id, ended=ended)
        self.on_changed()

    def progressed(self, task_id: str, progress: LiveProgress) -> None:
        """The task has come so far."""
        _keep(self._progress, task_id, progress, MOST_PROGRESS)
        self._wake(task_id, ended=False, stale=False)
        if self.relay is not None:
            self.relay.progressed(task_id, progress)

    def previewed(self, task_id: str, preview: Preview) -> None:
        """The task looks like this by now."""
        _keep(self._previews, task_id, preview, MOST_PREVIEWS)
        self._wake(task_id, ended=False, stale=False)
        if self.relay is not None:
            self.relay.previewed(task_id, preview)

    def progress(self, task_id: str) -> LiveProgress | None:
        """How far the task is, where it runs and that is known."""
        return self._progress.get(task_id)

    def preview(self, task_id: str) -> Preview | None:
        """The newest picture of it, while it runs."""
        return self._previews.get(task_id)

    def wake_all(self) -> None:
        """Something may have been missed: everybody is to look again."""
        for task_id in list(self._watches):
            self._wake(task_id, ended=True)

    def is_watched(self, task_id: str) -> bool:
        """Whether anybody would see a picture of it."""
        return task_id in self._watches

    def close(self) -> None:
        """Nobody waits any longer: the process stops."""
        self._closed = True
        for task_id in list(self._watches):
            self._wake(task_id, ended=True)

    @contextmanager
    def watch(self, task_id: str) -> Iterator[Watch]:
        """News of the task, from now on."""
        watch = Watch()
        if self._closed:
            watch.woken.set()
            watch.ended.set()
        self._watches[task_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[task_id].discard(watch)
            if not self._watches[task_id]:
                del self._watches[task_id]

    def _wake(self, task_id: str, *, ended: bool, stale: bool = True) -> None:
        waiting = list(self._watches.get(task_id, ()))

        def go_on() -> None:
            for watch in waiting[:AT_ONCE]:
                watch.stale = watch.stale or stale
                watch.woken.set()
                if ended:
                    watch.ended.set()
            del waiting[:AT_ONCE]
            if waiting:
                asyncio.get_running_loop().call_soon(go_on)

        go_on()


def _nobody() -> None:
    """Nobody has asked to be called."""


def _keep(newest: dict[str, T], task_id: str, news: T, most: int) -> None:
    """Bounded: news of a task may come after that of its end, and nobody would take it out."""
    if task_id not in newest and len(newest) >= most:
        del newest[next(iter(newest))]
    newest[task_id] = news
