"""Requests as they are counted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from prometheus_client import CollectorRegistry

from backend.metrics.requests import RequestMeter, RequestMetrics
from tests.conditions import eventually
from tests.exposition import Exported, exported

ROOT = Path(__file__).resolve().parents[3]
REQUESTS, SECONDS = "gateway_http_requests_total", "gateway_http_request_duration_seconds_count"
STREAMS = "gateway_http_streams_open"

router = APIRouter(prefix="/things")


@router.get("/{name}")
async def thing(name: str) -> str:
    if name == "broken":
        raise ValueError(name)
    if name == "none":
        raise HTTPException(404)
    return name


@router.get("/{name}/waited")
async def waited(name: str) -> PlainTextResponse:
    return PlainTextResponse(name, headers={"Preference-Applied": "wait=30"})


class Held:
    """A stream that says one thing, and ends when it may."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def told(self) -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await self.may_end.wait()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def app(registry: CollectorRegistry, held: Held) -> FastAPI:
    app = FastAPI()
    app.include_router(router)

    @app.get("/streams/{name}")
    async def stream(name: str) -> StreamingResponse:
        return StreamingResponse(held.told(), media_type="text/event-stream")

    @app.websocket("/sockets/{name}")
    async def socket(websocket: WebSocket, name: str) -> None:
        if name == "refused":
            await websocket.close()
            return
        await websocket.accept()
        await held.may_end.wait()

    app.add_middleware(RequestMeter, metrics=RequestMetrics(registry))
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
def seen(registry: CollectorRegistry) -> Any:
    def look() -> Exported:
        return exported(registry)

    return look


async def test_route_is_the_template_and_never_the_path(
    client: httpx.AsyncClient, seen: Any
) -> None:
    for name in ("one", "other", "none"):
        await client.get(f"/things/{name}")
    counted = seen()
    assert counted.value(REQUESTS, method="GET", route="/things/{name}", status="200") == 2
    assert counted.value(REQUESTS, method="GET", route="/things/{name}", status="404") == 1
    assert counted.value(SECONDS, route="/things/{name}", status="200") == 2


async def test_what_has_no_route_is_one_series_whatever_is_asked_for(
    client: httpx.AsyncClient, seen: Any
) -> None:
    for number in range(20):
        await client.request("GET", f"/nothing/{number}")
        await client.request(f"BREW{number}", "/nothing")
    assert seen().labels(REQUESTS) == [
        {"method": "GET", "route": "unmatched", "status": "404"},
        {"method": "other", "route": "unmatched", "status": "404"},
    ]


async def test_bug_is_counted_as_one(client: httpx.AsyncClient, seen: Any) -> None:
    assert (await client.get("/things/broken")).status_code == 500
    assert seen().value(REQUESTS, route="/things/{name}", status="500") == 1


async def test_wait_that_was_asked_for_is_no_duration(client: httpx.AsyncClient, seen: Any) -> None:
    await client.get("/things/one/waited")
    counted = seen()
    assert counted.value(REQUESTS, route="/things/{name}/waited") == 1
    assert counted.value(SECONDS, route="/things/{name}/waited") is None


async def test_stream_is_open_until_it_ends_and_no_duration(
    client: httpx.AsyncClient, held: Held, seen: Any
) -> None:
    reading = asyncio.create_task(client.get("/streams/one"))
    await eventually(lambda: seen().value(STREAMS, route="/streams/{name}", kind="events") == 1)
    assert seen().value(REQUESTS, route="/streams/{name}", status="200") == 1
    held.may_end.set()
    await reading
    counted = seen()
    assert counted.value(STREAMS, route="/streams/{name}") == 0
    assert counted.value(REQUESTS, route="/streams/{name}") == 1
    assert counted.value(SECONDS, route="/streams/{name}") is None


async def opened(app: FastAPI, name: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None: ...

    await app(
        {
            "type": "websocket",
            "path": f"/sockets/{name}",
            "query_string": b"",
            "headers": [],
            "subprotocols": [],
        },
        receive,
        send,
    )


async def test_websocket_is_open_until_it_ends(app: FastAPI, held: Held, seen: Any) -> None:
    route = "/sockets/{name}"
    following = asyncio.create_task(opened(app, "one"))
    await eventually(lambda: seen().value(STREAMS, route=route, kind="websocket") == 1)
    held.may_end.set()
    await following
    await opened(app, "refused")
    counted = seen()
    assert counted.value(STREAMS, route=route) == 0
    assert counted.value(REQUESTS, route=route, status="101") == 1
    assert counted.value(REQUESTS, route=route, status="403") == 1


async def test_client_that_hangs_up_before_it_is_answered_is_counted(
    registry: CollectorRegistry, seen: Any
) -> None:
    async def nothing(*_: Any) -> None: ...

    meter = RequestMeter(nothing, RequestMetrics(registry))
    await meter({"type": "http", "method": "POST"}, nothing, nothing)  # type: ignore[arg-type]
    assert seen().labels(REQUESTS) == [{"method": "POST", "route": "unmatched", "status": "499"}]


@pytest.mark.parametrize("name", ["requests.py", "registry.py"])
def test_gpu_service_counts_in_the_same_way(name: str) -> None:
    ours, theirs = (ROOT / each / "metrics" / name for each in ("backend", "gpu_server"))
    assert ours.read_text() == theirs.read_text()
