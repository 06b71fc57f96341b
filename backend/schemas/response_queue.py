"""What `GET /queue` answers."""

from pydantic import BaseModel


class QueueResponse(BaseModel):
    """Tasks of all clients together."""

    queued: int
    running: int
