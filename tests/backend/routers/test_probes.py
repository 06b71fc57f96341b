"""`GET /livez` and `GET /readyz`."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from backend.routers import probes
from backend.services.checks import has_died
from backend.services.readiness import STOPPING, Liveness, Readiness
from tests.backend.gpu_service import GPUService


@pytest.fixture
def readiness() -> Readiness:
    """Nothing is wrong, until it drains."""
    return Readiness({})


class Working:
    """What works in the background."""

    alive = True


@pytest.fixture
def working() -> Working:
    """Alive, until it dies."""
    return Working()


@pytest.fixture
async def probed(readiness: Readiness, working: Working) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the probes alone."""
    app = FastAPI()
    app.include_router(probes.router)
    app.state.backend = SimpleNamespace(
        readiness=readiness, liveness=Liveness({"worker": has_died(working, "A worker")})
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        yield client


async def test_process_that_answers_is_alive(probed: httpx.AsyncClient) -> None:
    reply = await probed.get("/livez")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok", "reasons": []})


async def test_process_whose_worker_has_died_is_to_be_started_again(
    probed: httpx.AsyncClient, working: Working
) -> None:
    working.alive = False
    reply = await probed.get("/livez")
    assert (reply.status_code, reply.json()) == (
        503,
        {
            "status": "dead",
            "reasons": [
                {"check": "worker", "detail": "A worker has died. Start the backend again."}
            ],
        },
    )


@pytest.mark.parametrize(("path", "ready"), [("/livez", 200), ("/readyz", 503)])
async def test_head_has_the_same_status(
    probed: httpx.AsyncClient, readiness: Readiness, path: str, ready: int
) -> None:
    readiness.drain()
    reply = await probed.head(path)
    assert (reply.status_code, reply.headers["cache-control"]) == (ready, "no-store")


async def test_process_that_drains_is_alive(
    probed: httpx.AsyncClient, readiness: Readiness
) -> None:
    readiness.drain()
    assert (await probed.get("/livez")).status_code == 200


async def test_ready_is_200(probed: httpx.AsyncClient) -> None:
    reply = await probed.get("/readyz")
    assert reply.status_code == 200
    drains = {"check": "draining", "ok": True, "needed": True, "detail": None}
    assert reply.json() == {"status": "ready", "reasons": [], "notes": [], "checks": [drains]}


async def test_draining_is_503_with_its_reason(
    probed: httpx.AsyncClient, readiness: Readiness
) -> None:
    readiness.drain()
    reply = await probed.get("/readyz")
    assert reply.status_code == 503
    assert reply.json() == {
        "status": "not_ready",
        "reasons": [{"check": "draining", "detail": STOPPING}],
        "notes": [],
        "checks": [{"check": "draining", "ok": False, "needed": True, "detail": STOPPING}],
    }


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_answer_is_never_kept(probed: httpx.AsyncClient, path: str) -> None:
    assert (await probed.get(path)).headers["cache-control"] == "no-store"


async def test_not_ready_is_never_kept(probed: httpx.AsyncClient, readiness: Readiness) -> None:
    readiness.drain()
    assert (await probed.get("/readyz")).headers["cache-control"] == "no-store"


async def test_started_backend_is_ready(client: httpx.AsyncClient) -> None:
    ready = (await client.get("/readyz")).json()
    assert (ready["status"], ready["reasons"], ready["notes"]) == ("ready", [], [])
    assert {each["check"]: each["needed"] for each in ready["checks"]} == {
        "draining": True,
        "database": True,
        "disk": True,
        "worker": True,
        "webhooks": False,
        "gpu_service": False,
        "comfyui": False,
    }


async def test_backend_without_a_gpu_service_is_ready_and_says_so(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.health.side_effect = httpx.ConnectError("refused")
    reply = await client.get("/readyz")
    assert reply.status_code == 200
    assert [each["check"] for each in reply.json()["notes"]] == ["gpu_service"]


async def test_backend_whose_comfyui_is_away_is_ready_and_says_so(
    gpu: GPUService, bound_client: httpx.AsyncClient
) -> None:
    gpu.health.respond(json={"status": "degraded", "comfyui_available": False})
    reply = await bound_client.get("/readyz")
    assert reply.status_code == 200
    [note] = reply.json()["notes"]
    assert (note["check"], "COMFYUI_API_URL" in note["detail"]) == ("comfyui", True)
