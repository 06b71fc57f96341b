"""What the routes under `/webhooks` answer."""

from datetime import datetime

from pydantic import BaseModel

from backend.store.webhook_outbox import DeliveryState
from backend.tasks import TaskState


class DeliveryResponse(BaseModel):
    """One message to one webhook, and what came of it."""

    id: str
    """The header `webhook-id`."""
    task_id: str
    event: TaskState
    url: str
    state: DeliveryState
    attempts: int
    status: int | None
    """Of the receiver's last answer."""
    error: str | None
    """Why the last try failed."""
    created_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None


class DeliveriesResponse(BaseModel):
    """One page of them, the newest first."""

    deliveries: list[DeliveryResponse]
    next_cursor: str | None = None
    """Sent as `cursor`, it brings the next page; null on the last one."""
