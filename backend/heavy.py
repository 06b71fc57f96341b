"""Work on large texts, which keeps Python's lock for milliseconds at a time.

In one thread, one after the other, with a breath between two of them: several at once would leave
the event loop, and with it everybody else, few turns.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

LARGE = 256 * 1024
"""Characters or bytes. Below, a thread would cost more than the work."""
SHORT_SECONDS = 0.005
"""Work that needs no breath after it."""
MOST_BREATH = 0.1
"""Seconds; no more than the work before it took."""
TURN_SECONDS = 0.001
"""After which a thread that has Python's lock gives it to who waits for it; else 0.005."""


class _Turns:
    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="heavy")
        self._not_before = 0.0

    async def take(self, work: Callable[[], T]) -> T:
        run = partial(self._run, work)
        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _run(self, work: Callable[[], T]) -> T:
        begun = time.monotonic()
        if begun < self._not_before:
            time.sleep(self._not_before - begun)
            begun = time.monotonic()
        try:
            return work()
        finally:
            now = time.monotonic()
            if now - begun > SHORT_SECONDS:
                self._not_before = now + min(now - begun, MOST_BREATH)


_TURNS = _Turns()


async def in_turn(work: Callable[[], T]) -> T:
    """What `work` returns or raises, once those before it are through."""
    return await _TURNS.take(work)


async def in_pieces(work: Generator[None, None, T]) -> T:
    """What `work` returns or raises. After each piece, the event loop has a turn without it.

    A loop that writes to thousands of clients is so held up by one piece, and not by all.
    """
    while True:
        ended = await in_turn(partial(_step, work))
        if ended:
            return ended[0]


def _step(work: Generator[None, None, T]) -> tuple[T] | None:
    try:
        next(work)
    except StopIteration as end:
        return (end.value,)
    return None


def take_short_turns() -> None:
    """The event loop needs the lock a dozen times for one answer, and waits for it each time."""
    sys.setswitchinterval(TURN_SECONDS)
