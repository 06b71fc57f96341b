"""A task: what a client asked for, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class TaskState(str, Enum):
    """A task waits, runs, and ends once.

    queued ──claim──▶ running ──finish──▶ done | failed
      ▲ │                │ │
      │ └─────cancel─────┼─┴──cancel────▶ cancelled
      └──────release─────┘   (nobody could run it, or this attempt may be tried again)
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in (TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED)


@dataclass(frozen=True)
class Output:
    """One file that a task made, in its folder of the output store."""

    file: str
    content_type: str
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Task:
    """One row of the store. Times are seconds since the epoch."""

    id: str
    mode: str
    workflow: str
    params: dict[str, Any]
    created_at: float
    state: TaskState = TaskState.QUEUED
    attempt: int = 0
    """Attempts begun; the one that runs included."""
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    error_code: str | None = None
    outputs: tuple[Output, ...] = field(default=())
    values: dict[str, Any] = field(default_factory=dict)
    """What it really ran with: the parameters, and the seeds that were drawn."""
    job_id: str | None = None
    """The job on the GPU service that this attempt is, or that the last one began."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended for good: outputs, or why there are none."""

    state: TaskState
    outputs: tuple[Output, ...] = ()
    error: str | None = None
    error_code: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
