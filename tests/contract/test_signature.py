"""Signed requests: the backend's client against the GPU service itself."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from backend.clients.gpu_client import GPUClient
from backend.clients.signature import RequestSignature
from backend.errors import GPUServiceRefused
from tests.gpu_server.jobs import new_id
from tests.gpu_server.serving import serving

SECRET = "sixteen letters!"
JOB = "550e8400-e29b-41d4-a716-446655440000"
ROUTES = [
    ("POST", "/generate"),
    ("GET", "/workflows"),
    ("GET", "/workflows/selftest"),
    ("PUT", f"/jobs/{JOB}"),
    ("GET", f"/jobs/{JOB}"),
    ("DELETE", f"/jobs/{JOB}"),
    ("GET", f"/jobs/{JOB}/events"),
    ("GET", f"/jobs/{JOB}/outputs/0"),
]
OPEN = ("/health", "/livez", "/readyz", "/metrics")
GENERATE = {"workflow": "free_generation", "params": {"prompt": "ü"}}


@asynccontextmanager
async def signed(
    secret: str = SECRET, ahead: float = 0.0, **settings: Any
) -> AsyncIterator[tuple[GPUClient, httpx.AsyncClient]]:
    """The backend's client, and a bare one, of a GPU service that has a secret."""
    async with serving(**{"gpu_service_secret": SECRET, **settings}) as service:
        bare = service.http
        signature = RequestSignature(secret, clock=lambda: time.time() + ahead)
        transport = bare._transport
        async with httpx.AsyncClient(transport=transport, auth=signature) as http:
            yield GPUClient(http, "http://gpu"), bare


def test_all_routes_but_the_probes_are_looked_at() -> None:
    from gpu_server.config import Settings  # noqa: PLC0415
    from gpu_server.main import create_app  # noqa: PLC0415

    document = create_app(Settings(_env_file=None)).openapi()["paths"]
    there = {(m.upper(), path) for path, each in document.items() for m in each}
    assert len(there) == len(ROUTES) + len(OPEN)


async def test_signed_requests_are_taken() -> None:
    async with signed() as (gpu, _):
        answer = await gpu.generate("free_generation", {"prompt": "ü" * 2_000_000})
        assert answer["status"] == "done"
        assert (await gpu.catalogue(anew=True)) is not None
        job_id = new_id()
        events = [each async for each in gpu.run_job(job_id, "x", {"prompt": "ü"}, resume=False)]
        assert events[-1].kind == "done"
        assert await gpu.output(job_id, 0) == b"dummy_base64_placeholder"


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_unsigned_requests_are_refused(method: str, path: str) -> None:
    async with signed() as (_, bare):
        reply = await bare.request(method, path, json=None if method == "GET" else GENERATE)
    assert (reply.status_code, reply.json()["code"]) == (401, "signature_missing")
    assert reply.headers["WWW-Authenticate"] == "Signature"


@pytest.mark.parametrize("path", OPEN)
async def test_probes_and_numbers_are_for_everybody(path: str) -> None:
    async with signed() as (_, bare):
        assert (await bare.get(path)).status_code == 200


async def test_without_a_secret_everybody_is_let_in() -> None:
    async with signed(gpu_service_secret="") as (gpu, bare):
        assert (await bare.post("/generate", json=GENERATE)).status_code == 200
        assert (await gpu.generate("x", {}))["status"] == "done"


async def refusal(gpu: GPUClient) -> GPUServiceRefused:
    with pytest.raises(GPUServiceRefused) as raised:
        await gpu.generate("x", {})
    return raised.value


async def test_another_secret_is_refused() -> None:
    async with signed(secret="another secret!!") as (gpu, _):
        refused = await refusal(gpu)
    assert (refused.code, refused.retryable) == ("signature_invalid", True)
    assert "GPU_SERVICE_SECRET" in refused.message


@pytest.mark.parametrize(("ahead", "words"), [(-400.0, "before our time"), (400.0, "ahead of our")])
async def test_signature_of_another_time_is_refused(ahead: float, words: str) -> None:
    async with signed(ahead=ahead) as (gpu, _):
        refused = await refusal(gpu)
    assert refused.code == "signature_expired"
    assert words in refused.message


async def test_clocks_may_differ_by_a_little() -> None:
    async with signed(ahead=200.0) as (gpu, _):
        assert (await gpu.generate("x", {}))["status"] == "done"


@pytest.mark.parametrize("change", ["body", "path", "query", "method", "timestamp", "no number"])
async def test_request_that_was_changed_on_its_way_is_refused(change: str) -> None:
    async with signed() as (_, bare):
        request = bare.build_request("POST", "/generate", json=GENERATE)
        flow = RequestSignature(SECRET).sync_auth_flow(request)
        headers = dict(next(flow).headers)
        method, path, body = "POST", "/generate", request.content
        match change:
            case "body":
                body = body.replace(b"free", b"fred")
            case "path":
                path = "/workflows"
            case "query":
                path = "/generate?x=1"
            case "method":
                method = "PUT"
            case "timestamp":
                headers["x-gateway-timestamp"] = str(int(headers["x-gateway-timestamp"]) + 1)
            case "no number":
                headers["x-gateway-timestamp"] = "now"
        if change in ("path", "method"):
            method, path = ("GET", "/workflows") if change == "path" else ("PUT", ROUTES[3][1])
        reply = await bare.request(method, path, content=body, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, "signature_invalid")
