"""Waiting for something to become true, instead of for time to pass."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

LOOK_SECONDS = 0.01


async def eventually(check: Callable[[], Any | Awaitable[Any]], seconds: float = 15) -> Any:
    """The first true value of `check`, which may be a coroutine function; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        await asyncio.sleep(LOOK_SECONDS)
