"""`GET /health`."""

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPU_URL, OTHER_URL, GPUService
from tests.backend.serving import serving
from tests.conditions import eventually


async def test_asks_the_gpu_service(gpu: GPUService, client: httpx.AsyncClient) -> None:
    """Spec: Health Check Router, Logic Flow 1."""
    before = gpu.health.call_count
    await client.get("/health")
    assert gpu.health.call_count == before + 1


async def test_is_healthy_with_the_gpu_service(client: httpx.AsyncClient) -> None:
    """Spec: Health Check Router, Logic Flow 2, and API Specifications: the whole answer."""
    reply = await client.get("/health")
    assert reply.json() == {"status": "healthy", "gpu_available": True, "version": "1.0.0"}


async def test_fields_are_in_the_specification_s_order(client: httpx.AsyncClient) -> None:
    """Spec: Health Check Router, Response Model."""
    assert list((await client.get("/health")).json()) == ["status", "gpu_available", "version"]


async def test_is_degraded_without_the_gpu_service(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    """Spec: Health Check Router, Logic Flow 3, and Health Check Validation, Backend 1."""
    gpu.health.side_effect = httpx.ConnectError("refused")
    reply = await client.get("/health")
    assert reply.json() == {"status": "degraded", "gpu_available": False, "version": "1.0.0"}


async def test_is_healthy_again_once_the_gpu_service_is_there(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    """Spec: Health Check Validation, Backend 2."""
    gpu.health.side_effect = httpx.ConnectError("refused")
    await client.get("/health")
    gpu.health.side_effect = None
    assert (await client.get("/health")).json()["gpu_available"] is True


async def test_is_unhealthy_once_a_loop_of_the_worker_is_dead(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.answers(httpx.ConnectError("refused"))
    gpu.workflows.side_effect = RuntimeError("nobody expects this")
    async with serving(settings) as client:
        await client.post("/generate", json={"mode": "free"})

        async def status() -> bool:
            return bool((await client.get("/health")).json()["status"] == "unhealthy")

        await eventually(status)


async def test_is_healthy_while_one_gpu_service_of_two_answers(
    gpu: GPUService, other_gpu: GPUService, settings: Settings
) -> None:
    gpu.goes_away()
    async with serving(settings, gpu_service_url=f"{GPU_URL}, {OTHER_URL}/") as client:
        assert (await client.get("/health")).json()["status"] == "healthy"
        other_gpu.goes_away()
        reply = await client.get("/health")
    assert reply.json() == {"status": "degraded", "gpu_available": False, "version": "1.0.0"}


@pytest.mark.parametrize(
    "outcome",
    [httpx.Response(200), httpx.Response(503), httpx.ReadTimeout("slow"), RuntimeError("odd")],
    ids=["200", "503", "timeout", "exception"],
)
async def test_always_answers_200(
    gpu: GPUService, client: httpx.AsyncClient, outcome: httpx.Response | Exception
) -> None:
    """Spec: Health Check Router, Logic Flow 5."""
    gpu.health.mock(side_effect=[outcome])
    assert (await client.get("/health")).status_code == 200


async def test_shows_the_configured_version(gpu: GPUService, settings: Settings) -> None:
    """Spec: Health Check Router, Response Model: version."""
    async with serving(settings, api_version="2.1.0") as client:
        assert (await client.get("/health")).json()["version"] == "2.1.0"
