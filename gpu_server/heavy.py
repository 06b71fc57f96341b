"""Work on large texts, which keeps Python's lock for milliseconds at a time.

In one thread, one after the other: several of them at once would leave the event loop, and with it
everybody else, few turns.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

LARGE = 256 * 1024
"""Characters or bytes. Below, a thread would cost more than the work."""

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="heavy")


async def in_turn(work: Callable[[], T]) -> T:
    """What `work` returns or raises, once those before it are through."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
