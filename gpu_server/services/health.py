"""Whether this service can do its work."""

from pathlib import Path

from gpu_server import __version__
from gpu_server.comfy_client import ComfyClient
from gpu_server.config import Engine
from gpu_server.schemas.health_response import HealthResponse


class HealthService:
    """Asks ComfyUI, and looks at what no request can do without."""

    def __init__(self, client: ComfyClient, workflows_path: Path) -> None:
        self._client = client
        self._workflows_path = workflows_path

    async def check(self) -> HealthResponse:
        """`degraded` without ComfyUI; `unhealthy` where nothing could run even with it."""
        available = await self._client.check_health()
        if self._client.engine is Engine.COMFYUI and not self._workflows_path.is_dir():
            return HealthResponse(
                status="unhealthy", comfyui_available=available, version=__version__
            )
        return HealthResponse(
            status="healthy" if available else "degraded",
            comfyui_available=available,
            version=__version__,
        )
