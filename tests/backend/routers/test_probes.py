"""`GET /livez` and `GET /readyz`."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from backend.routers import probes
from backend.services.readiness import Readiness
from tests.backend.gpu_service import GPUService


@pytest.fixture
def readiness() -> Readiness:
    """Nothing is wrong, until it drains."""
    return Readiness({})


@pytest.fixture
async def probed(readiness: Readiness) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the probes alone."""
    app = FastAPI()
    app.include_router(probes.router)
    app.state.backend = SimpleNamespace(readiness=readiness)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        yield client


async def test_process_that_answers_is_alive(probed: httpx.AsyncClient) -> None:
    reply = await probed.get("/livez")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


async def test_process_that_drains_is_alive(
    probed: httpx.AsyncClient, readiness: Readiness
) -> None:
    readiness.drain()
    assert (await probed.get("/livez")).status_code == 200


async def test_ready_is_200(probed: httpx.AsyncClient) -> None:
    reply = await probed.get("/readyz")
    assert reply.status_code == 200
    assert reply.json() == {"status": "ready", "reasons": [], "notes": []}


async def test_draining_is_503_with_its_reason(
    probed: httpx.AsyncClient, readiness: Readiness
) -> None:
    readiness.drain()
    reply = await probed.get("/readyz")
    assert reply.status_code == 503
    assert reply.json() == {
        "status": "not_ready",
        "reasons": [{"check": "draining", "detail": "This backend stops."}],
        "notes": [],
    }


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_answer_is_never_kept(probed: httpx.AsyncClient, path: str) -> None:
    assert (await probed.get(path)).headers["cache-control"] == "no-store"


async def test_not_ready_is_never_kept(probed: httpx.AsyncClient, readiness: Readiness) -> None:
    readiness.drain()
    assert (await probed.get("/readyz")).headers["cache-control"] == "no-store"


async def test_started_backend_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ready", "reasons": [], "notes": []}


async def test_backend_without_a_gpu_service_is_ready_and_says_so(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.health.side_effect = httpx.ConnectError("refused")
    reply = await client.get("/readyz")
    assert reply.status_code == 200
    assert [each["check"] for each in reply.json()["notes"]] == ["gpu_service"]
