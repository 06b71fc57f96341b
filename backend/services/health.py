"""Whether the backend and what stands behind it work."""

import logging

from backend.clients.gpu_client import GPUClient
from backend.schemas.response_health import HealthResponse
from backend.services.worker import TaskWorker

log = logging.getLogger(__name__)


class HealthService:
    """Asks the GPU service, and looks at the worker."""

    def __init__(self, client: GPUClient, worker: TaskWorker, version: str) -> None:
        self._client = client
        self._worker = worker
        self._version = version

    async def check(self) -> HealthResponse:
        """`degraded` without the GPU service, `unhealthy` where the backend itself is broken."""
        try:
            available = await self._client.check_health()
        except Exception:
            log.exception("The health check failed")
            return self._report("unhealthy", False)
        if not self._worker.alive:
            return self._report("unhealthy", available)
        return self._report("healthy" if available else "degraded", available)

    def _report(self, status: str, gpu_available: bool) -> HealthResponse:
        return HealthResponse.model_validate(
            {"status": status, "gpu_available": gpu_available, "version": self._version}
        )
