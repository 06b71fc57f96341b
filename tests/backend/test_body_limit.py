"""A bound on request bodies."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from backend.body_limit import ARRIVED, BodyLimit


class Arriving:
    """A body that comes in parts, and how many were asked for."""

    def __init__(self, *parts: bytes) -> None:
        self.asked = 0
        self._parts: Iterator[bytes] = iter(parts)

    async def __call__(self) -> Message:
        self.asked += 1
        return {"type": "http.request", "body": next(self._parts), "more_body": True}


async def read_twice(scope: Scope, receive: Receive, send: Send) -> None:
    for _ in range(2):
        await send(await receive())


async def passed(arriving: Arriving, *headers: tuple[bytes, bytes]) -> list[bytes]:
    bodies: list[bytes] = []

    async def send(message: Message) -> None:
        bodies.append(message["body"])

    app = BodyLimit(read_twice, max_bytes=10)
    await app({"type": "http", "headers": list(headers)}, arriving, send)
    return bodies


@pytest.mark.parametrize("length", [b"11", b"9" * 30, b"9" * 5000])
async def test_declared_length_is_refused_before_the_first_byte(length: bytes) -> None:
    arriving = Arriving(b"x")
    with pytest.raises(HTTPException) as caught:
        await passed(arriving, (b"content-length", length))
    assert caught.value.status_code == 413
    assert arriving.asked == 0


async def test_undeclared_length_is_refused_once_it_is_over() -> None:
    arriving = Arriving(b"x" * 10, b"x", b"never asked for")
    with pytest.raises(HTTPException) as caught:
        await passed(arriving)
    assert caught.value.status_code == 413
    assert arriving.asked == 2


async def test_declared_length_that_lies_is_refused_once_it_is_over() -> None:
    with pytest.raises(HTTPException):
        await passed(Arriving(b"x" * 10, b"x"), (b"content-length", b"3"))


async def test_body_at_the_bound_goes_through() -> None:
    bodies = await passed(Arriving(b"x" * 9, b"x"), (b"content-length", b"10"))
    assert bodies == [b"x" * 9, b"x"]


async def test_request_has_arrived_once_its_body_is_complete() -> None:
    parts = [(b"x", True), (b"y", False)]
    arrived: list[bool] = []

    async def receive() -> Message:
        body, more = parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(message: Message) -> None:
        arrived.append(ARRIVED in scope)

    scope: Scope = {"type": "http", "headers": []}
    await BodyLimit(read_twice, max_bytes=10)(scope, receive, send)
    assert arrived == [False, True]
    assert scope[ARRIVED] <= asyncio.get_running_loop().time()


async def test_what_is_no_request_goes_through() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(message: Message) -> None: ...

    await BodyLimit(app, max_bytes=10)({"type": "lifespan"}, Arriving(), nothing)
    assert seen == ["lifespan"]


async def half_a_body(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads all that comes."""
    while (await receive()).get("more_body"):
        pass


async def test_body_that_stands_still_is_given_up() -> None:
    """uvicorn would keep the half request, and its own end, waiting for ever."""
    coming: list[Message] = [{"type": "http.request", "body": b"ab", "more_body": True}]

    async def receive() -> Message:
        if coming:
            return coming.pop()
        await asyncio.Event().wait()
        raise AssertionError("nothing more comes")

    async def send(message: Message) -> None:
        raise AssertionError("the application answers nothing")

    limit = BodyLimit(half_a_body, max_bytes=100, idle_seconds=0.05)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(HTTPException) as raised:
        await limit(scope, receive, send)
    assert raised.value.status_code == 408
    assert raised.value.headers == {"Connection": "close"}


async def trickle(limit: BodyLimit, *parts: bytes) -> None:
    """A body that comes in parts, each a little late."""
    coming = list(parts)

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": coming.pop(0), "more_body": bool(coming)}

    async def send(message: Message) -> None: ...

    await limit({"type": "http", "headers": []}, receive, send)


async def test_body_that_comes_drop_by_drop_is_given_up() -> None:
    limit = BodyLimit(half_a_body, max_bytes=100, first_seconds=0.1)
    with pytest.raises(HTTPException) as raised:
        await trickle(limit, *[b"x"] * 50)
    assert raised.value.status_code == 408


async def test_slow_body_that_comes_fast_enough_is_taken() -> None:
    limit = BodyLimit(half_a_body, max_bytes=10_000_000, first_seconds=0.1)
    await trickle(limit, *[b"x" * 100_000] * 20)


async def test_large_bodies_together_are_bounded_and_given_back() -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def holding(scope: Scope, receive: Receive, send: Send) -> None:
        await half_a_body(scope, receive, send)
        reached.set()
        await go_on.wait()

    limit = BodyLimit(holding, max_bytes=9_000_000, max_held=3_000_000)
    first = asyncio.create_task(trickle(limit, b"x" * 2_000_000))
    await reached.wait()
    with pytest.raises(HTTPException) as raised:
        await trickle(limit, b"x" * 2_000_000)
    assert raised.value.status_code == 503
    small = asyncio.create_task(trickle(limit, b"x" * 1000))
    go_on.set()
    await asyncio.gather(first, small)
    await trickle(limit, b"x" * 2_000_000)
