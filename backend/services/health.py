"""Whether the backend and what stands behind it work."""

import logging

from backend.schemas.response_health import HealthResponse
from backend.services.checks import Alive
from backend.services.gpu_services import GPUServices

log = logging.getLogger(__name__)


class HealthService:
    """Asks the GPU services, and looks at what runs tasks."""

    def __init__(self, services: GPUServices, engine: Alive, version: str) -> None:
        self._services = services
        self._engine = engine
        self._version = version

    async def check(self) -> HealthResponse:
        """`degraded` without the GPU service, `unhealthy` where the backend itself is broken."""
        try:
            available = await self._services.check_health()
        except Exception:
            log.exception("The health check failed")
            return self._report("unhealthy", False)
        if not self._engine.alive:
            return self._report("unhealthy", available)
        return self._report("healthy" if available else "degraded", available)

    def _report(self, status: str, gpu_available: bool) -> HealthResponse:
        return HealthResponse.model_validate(
            {"status": status, "gpu_available": gpu_available, "version": self._version}
        )
