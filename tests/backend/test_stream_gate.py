"""Streams begin and end a few at a time."""

import asyncio

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from backend.stream_gate import AT_ONCE, StreamGate
from tests.conditions import eventually


class Slow:
    """Begins an answer when it is let to."""

    def __init__(self) -> None:
        self.beginning = 0
        self.most = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/broken/events":
            raise ValueError("broken")
        if scope["path"].endswith("/events"):
            self.beginning += 1
            self.most = max(self.most, self.beginning)
            await self.go.wait()
            self.beginning -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def app() -> Slow:
    return Slow()


def client_of(app: Slow) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(StreamGate(app))
    return httpx.AsyncClient(transport=transport, base_url="http://backend.test")


async def test_so_many_streams_begin_at_once_and_others_pass_by(app: Slow) -> None:
    async with client_of(app) as client:
        streams = [
            asyncio.create_task(client.get(f"/tasks/{number}/events"))
            for number in range(3 * AT_ONCE)
        ]
        await eventually(lambda: app.beginning == AT_ONCE)
        assert (await client.get("/health")).status_code == 200
        assert app.beginning == AT_ONCE
        app.go.set()
        assert {reply.status_code for reply in await asyncio.gather(*streams)} == {200}
        assert app.most == AT_ONCE


async def test_a_stream_that_fails_before_it_begins_makes_room(app: Slow) -> None:
    app.go.set()
    async with client_of(app) as client:
        for _ in range(2 * AT_ONCE):
            with pytest.raises(ValueError, match="broken"):
                await client.get("/broken/events")
        assert (await client.get("/tasks/1/events")).status_code == 200


async def test_one_who_leaves_while_waiting_makes_no_room_for_two(app: Slow) -> None:
    async with client_of(app) as client:
        streams = [asyncio.create_task(client.get("/a/events")) for _ in range(AT_ONCE + 1)]
        await eventually(lambda: app.beginning == AT_ONCE)
        streams[-1].cancel()
        await asyncio.gather(streams[-1], return_exceptions=True)
        more = [asyncio.create_task(client.get("/a/events")) for _ in range(AT_ONCE)]
        app.go.set()
        await asyncio.gather(*streams[:-1], *more)
        assert app.most == AT_ONCE


class Leaving:
    """Streams whose clients hang up all at once; each takes its time to end."""

    def __init__(self) -> None:
        self.heard = 0
        self.ending = 0
        self.most = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2):  # Asked again, it says the same again.
            assert (await receive())["type"] == "http.disconnect"
        self.heard += 1
        self.ending += 1
        self.most = max(self.most, self.ending)
        if not scope["path"].startswith("/broken"):
            await self.go.wait()
        self.ending -= 1
        if scope["path"].startswith("/broken"):
            raise ValueError("broken")


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def nothing(message: Message) -> None:
    """Nobody reads it."""


@pytest.mark.parametrize("path", ["/tasks/1/events", "/tasks/1/ws"])
async def test_so_many_streams_end_at_once(path: str) -> None:
    app = Leaving()
    gate, scope = StreamGate(app), {"type": "http", "path": path}
    streams = [asyncio.create_task(gate(scope, gone, nothing)) for _ in range(3 * AT_ONCE)]
    await eventually(lambda: app.ending == AT_ONCE)
    await asyncio.sleep(0.02)
    assert app.heard == AT_ONCE
    app.go.set()
    await asyncio.gather(*streams)
    assert (app.heard, app.most) == (3 * AT_ONCE, AT_ONCE)


async def test_a_stream_that_fails_as_it_ends_makes_room() -> None:
    gate = StreamGate(Leaving())
    for _ in range(2 * AT_ONCE):
        with pytest.raises(ValueError, match="broken"):
            await gate({"type": "http", "path": "/broken/events"}, gone, nothing)
