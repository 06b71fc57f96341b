"""What uvicorn leaves open is broken off: real connections to a real server."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from backend.connections import ConnectionKeeper, running_server
from tests.conditions import eventually

CHUNK = b"x" * 65_536
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """For `/endless` an answer without an end, else a short one."""
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while scope["path"] == "/endless":
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(http: str) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            endless, http=http, lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


@pytest.fixture(params=["httptools", "h11"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    async with serving(request.param) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(server: tuple[uvicorn.Server, int], clock: Clock) -> ConnectionKeeper:
    return ConnectionKeeper(
        server[0], max_connections=3, head_seconds=15.0, send_seconds=30.0, clock=clock
    )


@asynccontextmanager
async def connected(port: int, sent: bytes = b"") -> AsyncIterator[Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        writer.write(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def broken_off(reader: asyncio.StreamReader) -> bool:
    try:
        while await asyncio.wait_for(reader.read(65_536), 5):
            pass
    except ConnectionError:
        pass
    return True


def has(server: tuple[uvicorn.Server, int], count: int) -> Callable[[], bool]:
    return lambda: len(server[0].server_state.connections) == count


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Half:"], ids=["none", "half"]
)
async def test_request_whose_head_does_not_come_is_broken_off(
    server: tuple[uvicorn.Server, int], keeper: ConnectionKeeper, clock: Clock, sent: bytes
) -> None:
    async with connected(server[1], sent) as (reader, _):
        await eventually(has(server, 1))
        keeper.look()
        clock.now += 14.0
        keeper.look()
        assert not reader.at_eof()
        clock.now += 2.0
        keeper.look()
        assert await broken_off(reader)
    await eventually(has(server, 0))


async def test_half_a_second_request_is_broken_off_too(
    server: tuple[uvicorn.Server, int], keeper: ConnectionKeeper, clock: Clock
) -> None:
    async with connected(server[1], GET) as (reader, writer):
        assert b"200" in await reader.readline()
        writer.write(b"GET / HTT")
        for _ in range(3):
            await asyncio.sleep(0.05)
            keeper.look()
            clock.now += 16.0
        assert await broken_off(reader)


async def test_idle_connection_is_uvicorn_s_own_to_close(
    server: tuple[uvicorn.Server, int], keeper: ConnectionKeeper, clock: Clock
) -> None:
    async with connected(server[1], GET) as (reader, writer):
        assert b"200" in await reader.readline()
        await asyncio.sleep(0.05)
        for _ in range(3):
            keeper.look()
            clock.now += 60.0
        writer.write(GET)
        assert await asyncio.wait_for(reader.readuntil(b"HTTP/1.1 200"), 5)


async def test_reader_that_does_not_read_is_dropped(
    server: tuple[uvicorn.Server, int], keeper: ConnectionKeeper, clock: Clock
) -> None:
    async with connected(server[1], GET.replace(b"/ ", b"/endless ")) as (reader, _):
        await eventually(lambda: _waiting(server) > 60_000)
        await asyncio.sleep(0.1)
        keeper.look()
        clock.now += 29.0
        keeper.look()
        assert _waiting(server)
        clock.now += 2.0
        keeper.look()
        assert await broken_off(reader)
    await eventually(has(server, 0))


async def test_slow_reader_is_waited_for(
    server: tuple[uvicorn.Server, int], keeper: ConnectionKeeper, clock: Clock
) -> None:
    async with connected(server[1], GET.replace(b"/ ", b"/endless ")) as (reader, _):
        await eventually(lambda: _waiting(server) > 60_000)
        for _ in range(5):
            keeper.look()
            clock.now += 29.0
            await reader.readexactly(4_000_000)
        assert _waiting(server) or not reader.at_eof()
        assert len(server[0].server_state.connections) == 1


async def test_too_many_connections_lose_the_oldest_without_a_request(
    server: tuple[uvicorn.Server, int], keeper: ConnectionKeeper, clock: Clock
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for count in range(1, 6):
            reader, _ = await stack.enter_async_context(connected(server[1], b"GET"))
            readers.append(reader)
            await eventually(has(server, count))
            clock.now += 0.1
            if count <= 3:
                keeper.look()
        keeper.look()
        assert [await broken_off(reader) for reader in readers[:2]] == [True, True]
        await eventually(has(server, 3))


def test_under_another_server_there_is_nothing_to_look_at() -> None:
    assert running_server() is None
    ConnectionKeeper(None, max_connections=1).look()


def _waiting(server: tuple[uvicorn.Server, int]) -> int:
    return sum(
        each.transport.get_write_buffer_size() for each in server[0].server_state.connections
    )
