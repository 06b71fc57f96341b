"""The bound on request bodies."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from gpu_server.body_limit import BodyLimit
from tests.gpu_server.serving import problem, serving

MEGABYTE = 1024 * 1024
TOO_LARGE = b"x" * (MEGABYTE + 1)


async def in_chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    """A body sent without a Content-Length."""
    for chunk in chunks:
        yield chunk


async def test_body_of_a_declared_length_beyond_the_limit_is_refused() -> None:
    async with serving(max_body_mb=1) as service:
        reply = await service.send(TOO_LARGE)
    assert "MAX_BODY_MB" in problem(reply, 413, "body_too_large")["detail"]


@pytest.mark.parametrize("length", [str(MEGABYTE + 1), "9" * 5000], ids=["larger", "huge"])
async def test_declared_length_is_refused_before_a_byte_is_read(length: str) -> None:
    sent = []

    async def body() -> AsyncIterator[bytes]:
        sent.append(1)
        yield b"x"

    async with serving(max_body_mb=1) as service:
        reply = await service.send(body(), **{"Content-Length": length})
    problem(reply, 413, "body_too_large")
    assert sent == []


async def test_chunked_body_beyond_the_limit_is_refused() -> None:
    async with serving(max_body_mb=1) as service:
        reply = await service.send(in_chunks(TOO_LARGE, b"x"))
    problem(reply, 413, "body_too_large")


async def test_chunked_body_is_read_no_further_than_the_limit() -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b"x" * MEGABYTE

    async with serving(max_body_mb=2) as service:
        reply = await service.send(endless())
    problem(reply, 413, "body_too_large")
    assert len(sent) == 3


async def test_body_of_exactly_the_limit_is_taken() -> None:
    around = len(json.dumps({"workflow": "x", "params": {"prompt": ""}}))
    request = {"workflow": "x", "params": {"prompt": "p" * (MEGABYTE - around)}}
    body = json.dumps(request).encode()
    assert len(body) == MEGABYTE
    async with serving(max_body_mb=1) as service:
        reply = await service.send(body)
    assert reply.status_code == 200


async def test_chunked_body_within_the_limit_is_put_together() -> None:
    async with serving(max_body_mb=1) as service:
        reply = await service.send(in_chunks(b'{"work', b'flow": "x"}'))
    assert reply.json()["status"] == "done"


async def length(request: Request) -> PlainTextResponse:
    """How long the body was, told after a moment of not reading anything."""
    body = await request.body()
    waiting = asyncio.ensure_future(request.receive())
    await asyncio.wait({waiting}, timeout=0.2)
    gone = waiting.done()
    waiting.cancel()
    return PlainTextResponse(f"{len(body)} {gone}")


async def answered(*parts: Message) -> list[Message]:
    """What a limit with little patience sends, where these messages come in and then none."""
    inner = Starlette(routes=[Route("/", length, methods=["POST"])])
    inner.add_middleware(BodyLimit, max_bytes=100, idle_seconds=0.05)
    coming, sent = list(parts), []

    async def receive() -> Message:
        if coming:
            return coming.pop(0)
        return await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    await inner(scope, receive, send)
    return sent


async def test_body_that_stands_still_is_given_up() -> None:
    """uvicorn would keep the half request, and its own end, waiting for ever."""
    start, _ = await answered({"type": "http.request", "body": b"ab", "more_body": True})
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


async def test_client_that_waits_for_its_answer_is_not_hurried() -> None:
    start, body = await answered({"type": "http.request", "body": b"ab", "more_body": False})
    assert (start["status"], body["body"]) == (200, b"2 False")
