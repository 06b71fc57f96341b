"""Whether this service can do its work."""

import asyncio
import time
from pathlib import Path

from gpu_server import __version__
from gpu_server.comfy_client import ComfyClient
from gpu_server.config import Engine
from gpu_server.schemas.health_response import HealthResponse

BUSY_SECONDS = 0.1
"""After which a ComfyUI that has just answered is taken for a busy one."""
JUST_SECONDS = 5.0
"""As long as it may take to answer."""


class HealthService:
    """Asks ComfyUI, and looks at what no request can do without.

    A ComfyUI that loads a model, or takes a large image in, may be silent for a second. Whoever
    asks after us then is told at once what is known from the last `JUST_SECONDS`.
    """

    def __init__(
        self, client: ComfyClient, workflows_path: Path, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self._client = client
        self._workflows_path = workflows_path
        self._busy_seconds = busy_seconds
        self._asking: asyncio.Task[bool] | None = None
        self._answered_at = float("-inf")

    async def check(self) -> HealthResponse:
        """`degraded` without ComfyUI; `unhealthy` where nothing could run even with it."""
        available = await self._comfyui_answers()
        if self._client.engine is Engine.COMFYUI and not self._workflows_path.is_dir():
            return HealthResponse(
                status="unhealthy", comfyui_available=available, version=__version__
            )
        return HealthResponse(
            status="healthy" if available else "degraded",
            comfyui_available=available,
            version=__version__,
        )

    async def _comfyui_answers(self) -> bool:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="health of ComfyUI")
        asking = self._asking
        known = self._answered_at + JUST_SECONDS - time.monotonic()
        done, _ = await asyncio.wait([asking], timeout=self._busy_seconds if known > 0 else None)
        return asking.result() if done else True

    async def _ask(self) -> bool:
        begun = time.monotonic()
        available = await self._client.check_health()
        if available:
            self._answered_at = begun
        return available
