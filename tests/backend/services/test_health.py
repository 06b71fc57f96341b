"""Whether the backend and what stands behind it work."""

import pytest

from backend.clients.gpu_client import GPUClient
from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import GPUService as Service
from backend.services.gpu_services import GPUServices
from backend.services.health import HealthService
from backend.services.live import LiveHub
from backend.services.worker import TaskWorker
from backend.store.sqlite.store import SQLiteTaskStore
from tests import plain_http
from tests.backend.gpu_service import GPU_URL, GPUService


class BrokenClient(GPUClient):
    """A client whose health check does what none should."""

    async def check_health(self, *, with_comfyui: bool = False) -> bool:
        raise RuntimeError("odd")


@pytest.fixture
def worker(
    store: SQLiteTaskStore,
    runner: AttemptRunner,
    services: GPUServices,
    service: Service,
    live: LiveHub,
) -> TaskWorker:
    """A worker that is not entered yet."""
    return TaskWorker(store, services, service, runner, live, slots=1, max_attempts=1)


async def test_exception_is_unhealthy(gpu: GPUService, worker: TaskWorker) -> None:
    """Spec: Health Check Router, Logic Flow 4."""
    async with worker, plain_http.AsyncClient() as http:
        broken = GPUServices([Service(BrokenClient(http, GPU_URL))])
        report = await HealthService(broken, worker, "1.0.0").check()
    assert (report.status, report.gpu_available) == ("unhealthy", False)


async def test_worker_that_does_not_run_is_unhealthy(
    services: GPUServices, worker: TaskWorker
) -> None:
    report = await HealthService(services, worker, "1.0.0").check()
    assert (report.status, report.gpu_available) == ("unhealthy", True)


async def test_worker_that_runs_is_healthy(services: GPUServices, worker: TaskWorker) -> None:
    async with worker:
        report = await HealthService(services, worker, "1.0.0").check()
    assert (report.status, report.gpu_available) == ("healthy", True)
