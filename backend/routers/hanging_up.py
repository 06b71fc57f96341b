"""Clients that hang up while they are waited with."""

from collections.abc import Awaitable
from typing import TypeVar

import anyio
from fastapi import Request, Response

T = TypeVar("T")

GONE_STATUS = 499
"""As nginx has it, in the log: nobody gets it."""


async def while_connected(request: Request, work: Awaitable[T]) -> T | None:
    """What `work` answers; None where the client has hung up before, and `work` was cancelled.

    The body must have been read: all that can come then is the disconnect.
    """
    result: T | None = None

    async with anyio.create_task_group() as group:

        async def leave() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(leave)
        result = await work
        group.cancel_scope.cancel()
    return result


def nobody_there() -> Response:
    """The end of a request that nobody waits for any more."""
    return Response(status_code=GONE_STATUS)
