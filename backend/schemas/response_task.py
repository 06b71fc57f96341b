"""What `GET /tasks/{task_id}` answers."""

from datetime import datetime

from pydantic import BaseModel

from backend.tasks import TaskState


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
    attempt: int
    queue_position: int | None = None
    """Tasks that will run before this one; null where it does not wait."""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
