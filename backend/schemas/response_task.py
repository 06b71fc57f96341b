"""What `GET /tasks/{task_id}` answers."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from backend.tasks import Priority, TaskState


class OutputResponse(BaseModel):
    """One file that the task made; `size` is in bytes."""

    url: str
    content_type: str
    size: int


class TaskResponse(BaseModel):
    """The four fields of `POST /generate` first, then what has happened since."""

    task_id: str
    status: TaskState
    image: str | None = None
    """The first image in base64, once the task is done."""
    error: str | None = None
    """Why the task failed, and what to do."""
    error_code: str | None = None
    mode: str
    workflow: str
    progress: float
    """From 0 to 1; never goes back within an attempt."""
    node: str | None = None
    """The title of the node that runs."""
    queue_position: int | None = None
    """Tasks that will run before this one; null where it does not wait, and in lists."""
    estimated_seconds: float | None = None
    """Until it is done, from medians of last runs and what goes before it; null where unknown."""
    attempt: int
    priority: Priority = Priority.NORMAL
    deadline: datetime | None = None
    """When it is cancelled, unless it has ended."""
    seed: int | None = None
    """The seed that it ran with, drawn or given."""
    parameters: dict[str, Any] = {}
    """What it ran with, seeds that were drawn included."""
    outputs: list[OutputResponse] = []
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    links: dict[str, str] = {}
    """What can be done with it as it stands: `self`, `events`, `cancel`, `retry`."""


class TaskListResponse(BaseModel):
    """One page of tasks, without their images."""

    tasks: list[TaskResponse]
    next_cursor: str | None = None
    """Sent as `cursor`, it brings the next page; null on the last one."""
