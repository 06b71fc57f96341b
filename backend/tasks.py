"""A task: what a client asked for, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from backend.correlation import Correlation


class TaskState(str, Enum):
    """A task waits, runs, and ends once.

    queued ──claim──▶ running ──finish──▶ done | failed
      ▲ │                │ │
      │ └─────cancel─────┼─┴──cancel────▶ cancelled
      └──────release─────┘   (nobody could run it, or this attempt may be tried again)

    What has failed or was cancelled is queued once more where somebody retries it by hand.
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


class Priority(str, Enum):
    """Three tiers. A higher one goes first, but only so many seconds ahead: nobody starves."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @classmethod
    def _missing_(cls, value: object) -> "Priority | None":
        """In any case: `HIGH` is `high`."""
        return cls.__members__.get(str(value).upper())

    def rank(self, created_at: float, ageing: float) -> float:
        """What the queue is ordered by, lowest first; a tier is worth `ageing` seconds."""
        return created_at + {"high": -ageing, "normal": 0.0, "low": ageing}[self.value]


class ImageFormat(str, Enum):
    """What images are sent as."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


@dataclass(frozen=True)
class OutputOptions:
    """How a client wants its images; None where they are to be as the workflow makes them."""

    format: ImageFormat | None = None
    quality: int | None = None
    """From 1 to 100, of JPEG and WebP."""
    keep_metadata: bool = False
    """Leave ComfyUI's embedded prompt and workflow in them."""


AS_MADE = OutputOptions()


@dataclass(frozen=True)
class Webhook:
    """Who is told of a task: of its changes to one of these states."""

    url: str
    events: tuple[TaskState, ...]
    host: str
    """Of the URL: few messages are under way to one host at a time."""


@dataclass(frozen=True)
class Output:
    """One file that a task made, in its folder of the output store."""

    file: str
    content_type: str
    size: int
    """Bytes."""

    def download_name(self, task_id: str) -> str:
        """What a client saves it as."""
        return f"{task_id[:8]}-{self.file}"


@dataclass(frozen=True)
class Attachment:
    """A parameter too large for the task's row: as JSON, in a file of the task's folder."""

    name: str
    """The parameter's."""
    file: str
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Job:
    """A job on a GPU service; `service` is None where an older version did not write it down."""

    id: str
    service: str | None


@dataclass(frozen=True)
class Task:
    """One row of the store. Times are seconds since the epoch."""

    id: str
    mode: str
    workflow: str
    created_at: float
    needs: dict[str, Any] = field(default_factory=dict)
    """Parameters that not every GPU service can meet, such as a model that one has not."""
    priority: Priority = Priority.NORMAL
    rank: float = 0.0
    """Its place in the queue: the lowest goes first."""
    deadline: float | None = None
    """When it is cancelled, unless it has ended."""
    owner: str | None = None
    """Id of the API key that it was sent with; None where keys were off."""
    output_options: OutputOptions = AS_MADE
    webhook: Webhook | None = None
    attachments: tuple[Attachment, ...] = field(default=())
    idempotency_key: str | None = None
    """Of this owner's: another's may be the same."""
    fingerprint: str | None = None
    """Of the request that the key came with."""
    request_id: str | None = None
    traceparent: str | None = None
    """Both of the request that it came with."""
    state: TaskState = TaskState.QUEUED
    attempt: int = 0
    """Attempts begun; the one that runs included."""
    first_attempt: int = 0
    """Attempts that were before it was last retried by hand: they do not count any more."""
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    error_code: str | None = None
    outputs: tuple[Output, ...] = field(default=())
    values: dict[str, Any] = field(default_factory=dict)
    """What it really ran with: the parameters, and the seeds that were drawn."""
    job_id: str | None = None
    """The job on the GPU service that this attempt is, or that the last one began."""
    service: str | None = None
    """URL of the GPU service that has the job."""

    @property
    def attempts_spent(self) -> int:
        """Of those that it may spend."""
        return self.attempt - self.first_attempt

    @property
    def correlation(self) -> Correlation:
        """What is done for it belongs to it, and to the request that it came with."""
        return Correlation(self.request_id, self.traceparent, self.id)

    @property
    def job(self) -> Job | None:
        """The job, and where it is."""
        return None if self.job_id is None else Job(self.job_id, self.service)


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks are asked for; None and nothing are no condition."""

    owner: str | None = None
    states: tuple[TaskState, ...] = ()
    mode: str | None = None


@dataclass(frozen=True)
class Claim:
    """A task that is a worker's to run."""

    task: Task
    params: dict[str, Any]
    """All but the task's attachments."""
    resume: bool = False
    """Its job may have been started before, by whoever had it last."""
    left: Job | None = None
    """The job that the last attempt left on another GPU service: nobody needs it any more."""


@dataclass(frozen=True)
class TaskEvent:
    """A change of a task's state; `seq` grows with every change of any task."""

    seq: int
    state: TaskState
    attempt: int
    at: float


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended for good: outputs, or why there are none."""

    state: TaskState
    outputs: tuple[Output, ...] = ()
    error: str | None = None
    error_code: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
