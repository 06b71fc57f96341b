"""What `GET /queue` and the routes of `/drain` answer."""

from pydantic import BaseModel


class QueueResponse(BaseModel):
    """Tasks of all clients together."""

    queued: int
    running: int


class DrainResponse(QueueResponse):
    """The same, and whether this backend takes nothing out of the queue for now."""

    draining: bool
