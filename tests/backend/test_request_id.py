"""`X-Request-ID`: on every answer, whatever it is."""

import asyncio

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from backend.config import Settings
from backend.correlation import current
from backend.request_id import RequestId
from tests.backend.gpu_service import GPUService
from tests.backend.serving import serving

GIVEN = {"X-Request-ID": "r-1"}
ORIGIN = {"Origin": "https://a.test"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/tasks/none", 404),
        ("GET", "/no/such/path", 404),
        ("PATCH", "/generate", 405),
        ("POST", "/generate", 422),
        ("POST", "/v1/images/generations", 422),
        ("GET", "/tasks/none/events", 404),
    ],
)
async def test_answer_tells_the_id_it_came_with(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    reply = await client.request(method, path, headers=GIVEN)
    assert (reply.status_code >= 400) == (status >= 400)
    assert reply.headers.get_list("X-Request-ID") == ["r-1"]


async def test_answer_has_an_id_where_none_came(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/health")).headers["X-Request-ID"] for _ in range(2)}
    assert sorted(map(len, ids)) == [32, 32]


async def test_id_that_is_not_sane_is_not_answered(client: httpx.AsyncClient) -> None:
    reply = await client.get("/health", headers={"X-Request-ID": "a b<script>"})
    assert "script" not in str(reply.headers)


async def test_stream_has_it_too(client: httpx.AsyncClient) -> None:
    task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    async with client.stream("GET", f"/tasks/{task_id}/events", headers=GIVEN) as reply:
        assert reply.headers["X-Request-ID"] == "r-1"


async def test_pages_may_read_it_and_preflights_have_it(client: httpx.AsyncClient) -> None:
    reply = await client.get("/health", headers={**GIVEN, **ORIGIN})
    assert "X-Request-ID" in reply.headers["Access-Control-Expose-Headers"]
    asks = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "x-request-id, traceparent"
    preflight = await client.options("/generate", headers={**GIVEN, **asks})
    assert (preflight.status_code, preflight.headers["X-Request-ID"]) == (200, "r-1")


async def test_request_is_logged_with_it(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(settings) as client:
        await client.post("/generate", json={"mode": "free"}, headers=GIVEN)
    [line] = [each for each in capsys.readouterr().out.splitlines() if " queued: " in each]
    assert line.endswith("[request_id=r-1]")


async def test_requests_at_once_are_not_mixed_up() -> None:
    seen: list[tuple[str, str | None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        seen.append((scope["path"], current().request_id))

    async def ask(number: int) -> None:
        headers = [(b"x-request-id", b"r%d" % number)]
        scope = {"type": "http", "path": f"r{number}", "headers": headers}
        await RequestId(app)(scope, _nothing, _nowhere)

    await asyncio.gather(*(asyncio.create_task(ask(number)) for number in range(20)))
    assert len(seen) == 20
    assert all(path == request_id for path, request_id in seen)


async def test_websocket_is_answered_with_it() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"x-request-id", b"r-1")]}
    await RequestId(app)(scope, _nothing, keep)
    assert sent == [{"type": "websocket.accept", "headers": [(b"x-request-id", b"r-1")]}]


async def _nothing() -> Message:
    return {}


async def _nowhere(message: Message) -> None:
    pass
