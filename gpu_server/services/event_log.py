"""The story of one job, for whoever reads along, now or later."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Any


class EventKind(str, Enum):
    """What can happen to a job; the last three end it."""

    QUEUED = "queued"
    STARTED = "started"
    PROGRESS = "progress"
    PREVIEW = "preview"
    OUTPUT = "output"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ends(self) -> bool:
        """Whether nothing comes after it."""
        return self in (EventKind.DONE, EventKind.FAILED, EventKind.CANCELLED)


PASSING = frozenset({EventKind.QUEUED, EventKind.PROGRESS, EventKind.PREVIEW})
"""Of these only the newest is kept: a late reader needs no more."""


@dataclass(frozen=True)
class JobEvent:
    """One thing that happened. `number` grows by the job's story; `data` is JSON."""

    number: int
    kind: EventKind
    data: dict[str, Any]


class EventLog:
    """Appended to by the job, read by any number of readers, each at its own speed."""

    def __init__(self) -> None:
        self._events: dict[int, JobEvent] = {}
        self._number = 0
        self._changed = asyncio.Event()
        self._closed = False

    def append(self, kind: EventKind, data: dict[str, Any]) -> None:
        """Tell all readers."""
        if kind in PASSING:
            for old in [event for event in self._events.values() if event.kind is kind]:
                del self._events[old.number]
        self._number += 1
        self._events[self._number] = JobEvent(self._number, kind, data)
        self._tell()

    def close(self) -> None:
        """End all readers, though the job has not ended: the process stops."""
        self._closed = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, after: int = 0) -> AsyncIterator[JobEvent]:
        """What came after that number, then what comes, until the job has ended."""
        while True:
            changed = self._changed
            for event in sorted(self._events.values(), key=lambda each: each.number):
                if event.number > after:
                    after = event.number
                    yield event
                    if event.kind.ends:
                        return
            if self._closed:
                return
            if after >= self._number:
                await changed.wait()
