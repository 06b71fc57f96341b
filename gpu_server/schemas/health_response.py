"""What `GET /health` answers."""

from typing import Literal

from pydantic import BaseModel


class HealthResponse(BaseModel):
    """`unhealthy` comes with 503, the others with 200."""

    status: Literal["healthy", "degraded", "unhealthy"]
    comfyui_available: bool
    service: Literal["gpu_server"] = "gpu_server"
    version: str
