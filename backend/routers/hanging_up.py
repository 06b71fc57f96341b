"""Clients that hang up while they are waited with."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request, Response

T = TypeVar("T")

GONE_STATUS = 499
"""As nginx has it, in the log: nobody gets it."""


async def while_connected(request: Request, work: Awaitable[T]) -> T | None:
    """What `work` answers; None where the client has hung up before, and `work` was cancelled.

    The body must have been read: all that can come then is the disconnect. Raises what `work` does.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_leave(request), name="hang-up")
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        doing.cancel()
        leaving.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def nobody_there() -> Response:
    """The end of a request that nobody waits for any more."""
    return Response(status_code=GONE_STATUS)
