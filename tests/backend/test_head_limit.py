"""Heads of requests are bounded: real connections to a real server, and to the real programs."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from backend.head_limit import MAX_HEAD, bound_heads
from tests.acceptance.processes import Program, pair
from tests.certificates import Authority
from tests.conditions import eventually

CLOSE = "Connection: close"
GO_ON = "Connection: keep-alive"
MEGABYTE = 1024 * 1024
REFUSED = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"


class Counting:
    """Answers with the length of the body, to `/waits` when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        if scope["path"] == "/waits":
            await self.let.wait()
        body = str(size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(app: Counting, **given: Any) -> AsyncIterator[int]:
    """The port where the application is served."""
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, **given)
    config.load()
    server = uvicorn.Server(config)
    bound_heads(server)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        running = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


@pytest.fixture
def app() -> Counting:
    return Counting()


@pytest.fixture(params=["httptools", "h11"])
async def port(request: pytest.FixtureRequest, app: Counting) -> AsyncIterator[int]:
    async with serving(app, http=request.param) as port:
        yield port


def head(size: int, *lines: str, target: str = "/") -> bytes:
    """Of a request: so many bytes, filled up with a header."""
    start = "\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *lines, "X-Filler: "]).encode()
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


async def answers(port: int, *sent: bytes, trusting: ssl.SSLContext | None = None) -> bytes:
    """All that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    try:
        for each in sent:
            writer.write(each)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.transport.abort()


async def test_head_as_large_as_allowed_is_answered(port: int) -> None:
    assert (await answers(port, head(MAX_HEAD, CLOSE))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        head(MAX_HEAD + 1),
        head(MAX_HEAD + 1)[:-1],
        head(2 * MAX_HEAD, target="/" + "x" * MAX_HEAD),
        head(5 * MEGABYTE),
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MAX_HEAD,
        b"GET /" + b"x" * 5 * MEGABYTE,
    ],
    ids=["one more", "not whole", "target", "much more", "many", "target alone"],
)
async def test_larger_one_is_refused(port: int, app: Counting, sent: bytes) -> None:
    assert (await answers(port, sent)).startswith(REFUSED)
    assert not app.asked


async def test_refusal_is_a_problem_document(port: int) -> None:
    told, _, body = (await answers(port, head(MAX_HEAD + 1))).partition(b"\r\n\r\n")
    lines = [line.partition(b": ") for line in told.splitlines()[1:]]
    headers = {name.decode().lower(): value.decode() for name, _, value in lines}
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-length"] == str(len(body))
    assert headers["connection"] == "close"
    assert len(headers["x-request-id"]) == 32
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Header too large",
        "status": 431,
        "detail": "The request's first line and headers are larger than 65536 bytes. Send less.",
        "code": "header_too_large",
        "retryable": False,
    }


@pytest.mark.parametrize(("size", "status"), [(MAX_HEAD, b" 200 "), (MAX_HEAD + 1, b" 431 ")])
async def test_head_that_comes_bit_by_bit_is_counted_whole(
    port: int, size: int, status: bytes
) -> None:
    whole = head(size, CLOSE)
    bits = [whole[start : start + 1000] for start in range(0, size, 1000)]
    assert status in (await answers(port, *bits)).partition(b"\r\n")[0]


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
async def test_body_is_not_counted(port: int, together: bool) -> None:
    sent = [head(1000, CLOSE, "Content-Length: 3000000"), b"x" * 3_000_000]
    answer = await answers(port, *([b"".join(sent)] if together else sent))
    assert answer.endswith(b"\r\n\r\n3000000")


@pytest.mark.parametrize("size", [10, 100_000])
async def test_chunked_body_is_not_counted(port: int, size: int) -> None:
    chunks = (b"%x\r\n%s\r\n" % (size, b"x" * size)) * (1_000_000 // size)
    sent = head(1000, CLOSE, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"
    assert (await answers(port, sent)).endswith(b"\r\n\r\n1000000")


async def test_headers_behind_a_chunked_body_are_bounded(port: int) -> None:
    """The server would keep them too, even for an application that has answered."""
    sent = head(1000, "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n"
    answer = b""
    with contextlib.suppress(ConnectionError):  # It is closed in the middle of it.
        answer = await answers(port, sent, b"X-Trailer: " + b"x" * 2 * MAX_HEAD)
    assert b" 200 " not in answer


async def test_each_request_of_a_connection_is_counted_anew(port: int, app: Counting) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(head(MAX_HEAD - 1, GO_ON))
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), 10)
    writer.write(head(MAX_HEAD + 1, GO_ON))
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(REFUSED)
    writer.close()
    assert len(app.asked) == 3


async def test_requests_sent_ahead_are_answered_before_the_refusal(
    port: int, app: Counting
) -> None:
    ahead = head(1000, target="/waits") + head(1000)
    asking = asyncio.create_task(answers(port, ahead, head(2 * MEGABYTE)))
    await eventually(lambda: app.asked)
    app.let.set()
    first, second, third = (await asking).split(b"HTTP/1.1 ")[1:]
    assert [first[:3], second[:3], third[:3]] == [b"200", b"200", b"431"]
    assert app.asked == ["/waits", "/"]


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_it_is_the_same_over_tls(tmp_path: Path, app: Counting, http: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue()
    files = {"ssl_certfile": str(pair.certificate), "ssl_keyfile": str(pair.key)}
    trusting = ssl.create_default_context(cafile=authority.path)
    async with serving(app, http=http, **files) as port:
        good = await answers(port, head(MAX_HEAD, CLOSE), trusting=trusting)
        assert good.startswith(b"HTTP/1.1 200")
        bad = await answers(port, head(MAX_HEAD + 1), trusting=trusting)
        assert bad.startswith(REFUSED)


def test_under_another_server_there_is_nothing_to_bound() -> None:
    bound_heads(None)


def test_another_protocol_is_left_alone() -> None:
    config = uvicorn.Config(Counting(), http=asyncio.Protocol, log_config=None)
    config.load()
    bound_heads(uvicorn.Server(config))
    assert config.http_protocol_class is asyncio.Protocol


def flood(program: Program, megabytes: int) -> bytes:
    """Headers without an end, and what is answered."""
    with socket.create_connection(("127.0.0.1", program.port), 10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        line = b"X-Filler: " + b"x" * MEGABYTE + b"\r\n"
        with contextlib.suppress(ConnectionError):  # It is closed by then.
            for _ in range(megabytes):
                client.sendall(line)
        return client.recv(65_536)


def test_programs_keep_none_of_what_they_refuse(tmp_path: Path) -> None:
    with pair(tmp_path) as programs:
        for program in (programs.gpu_server, programs.backend):
            program.start()
            before = program.resident_megabytes()
            assert flood(program, 100).startswith(REFUSED)
            assert program.resident_megabytes() - before < 20
