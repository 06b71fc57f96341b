"""Waking those who wait for a task to end."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class TaskEnds:
    """One process's hub: the worker announces, requests wait."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._closed = False

    def announce(self, task_id: str) -> None:
        """The task has ended."""
        for event in self._waiting.get(task_id, ()):
            event.set()

    def close(self) -> None:
        """Nobody waits any longer: the process stops."""
        self._closed = True
        for task_id in list(self._waiting):
            self.announce(task_id)

    @contextmanager
    def watch(self, task_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the task ends, or the process does."""
        event = asyncio.Event()
        if self._closed:
            event.set()
        self._waiting[task_id].add(event)
        try:
            yield event
        finally:
            self._waiting[task_id].discard(event)
            if not self._waiting[task_id]:
                del self._waiting[task_id]
