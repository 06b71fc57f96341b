"""What `GET /health` answers."""

from typing import Literal

from pydantic import BaseModel


class HealthResponse(BaseModel):
    """Always with 200: that this answers means that the backend runs."""

    status: Literal["healthy", "degraded", "unhealthy"]
    gpu_available: bool
    version: str
