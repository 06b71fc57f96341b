"""Connections are accepted beside uvicorn's own loop: real connections to a real server."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from backend.accepting import Acceptor
from tests.certificates import Authority
from tests.conditions import eventually

HEADERS = [(b"content-length", b"5")]
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def short(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"taken"})


@pytest.fixture(params=["httptools", "h11"])
async def deaf(request: pytest.FixtureRequest) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """A server that accepts nothing by itself."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            short, http=request.param, lifespan="off", ws="none", log_config=None
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        asyncio.get_running_loop().remove_reader(listener.fileno())
        yield server, listener.getsockname()[1]
        server.should_exit = True
        await running


async def ask(port: int, trusting: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    try:
        writer.write(GET)
        return await reader.read()
    finally:
        writer.transport.abort()


async def test_what_the_server_leaves_in_the_kernel_is_answered(
    deaf: tuple[uvicorn.Server, int],
) -> None:
    server, port = deaf
    waiting = [asyncio.create_task(ask(port)) for _ in range(250)]
    async with Acceptor(server):
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert all(answer.endswith(b"taken") for answer in answers)
    await eventually(lambda: not server.server_state.connections)


async def test_once_closed_it_accepts_no_more(deaf: tuple[uvicorn.Server, int]) -> None:
    server, port = deaf
    async with Acceptor(server) as acceptor:
        assert (await asyncio.wait_for(ask(port), 10)).endswith(b"taken")
        acceptor.close()
        late = asyncio.create_task(ask(port))
        done, _ = await asyncio.wait([late], timeout=0.3)
        assert not done
        assert not server.server_state.connections
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)


@pytest.fixture
async def over_tls(tmp_path: Path) -> AsyncIterator[tuple[uvicorn.Server, int, ssl.SSLContext]]:
    """A server that accepts nothing by itself, and what its clients trust."""
    authority = Authority(tmp_path)
    pair = authority.issue()
    config = uvicorn.Config(
        short,
        lifespan="off",
        ws="none",
        log_config=None,
        ssl_certfile=str(pair.certificate),
        ssl_keyfile=str(pair.key),
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        asyncio.get_running_loop().remove_reader(listener.fileno())
        port = listener.getsockname()[1]
        yield server, port, ssl.create_default_context(cafile=authority.path)
        server.should_exit = True
        await running


async def broken_off(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionResetError:
        return True


async def test_whoever_never_agrees_on_tls_is_broken_off(
    over_tls: tuple[uvicorn.Server, int, ssl.SSLContext],
) -> None:
    server, port, trusting = over_tls
    async with Acceptor(server, handshake_seconds=0.2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await broken_off(reader)
        writer.transport.abort()
        answer = await ask(port, trusting)
    assert answer.endswith(b"taken")


async def test_too_many_who_do_not_agree_on_tls_make_room_for_who_does(
    over_tls: tuple[uvicorn.Server, int, ssl.SSLContext],
) -> None:
    server, port, trusting = over_tls
    async with Acceptor(server, most_handshakes=3):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert await broken_off(silent[0][0])
        assert await broken_off(silent[1][0])
        assert (await ask(port, trusting)).endswith(b"taken")
        for _, writer in silent:
            writer.transport.abort()


async def test_a_port_is_free_again_when_the_server_has_stopped() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(short, lifespan="off", ws="none", log_config=None))
    running = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started)
    async with Acceptor(server) as acceptor:
        await asyncio.wait_for(ask(port), 10)
        acceptor.close()
        server.should_exit = True
        await running
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    listener.close()  # Older uvicorns leave that to us.


async def test_without_a_server_it_does_nothing() -> None:
    async with Acceptor(None) as acceptor:
        assert not acceptor.alive
