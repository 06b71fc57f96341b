"""Work that keeps Python's lock: one after the other, and the event loop in between."""

import asyncio
import threading
import time
from collections.abc import Generator

import pytest

from backend.heavy import in_pieces, in_turn


async def test_works_are_done_one_after_the_other() -> None:
    at_once, most = 0, 0

    def work() -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.01)
        at_once -= 1
        return threading.current_thread().name

    names = await asyncio.gather(*(in_turn(work) for _ in range(5)))
    assert most == 1
    assert threading.current_thread().name not in names


async def test_loop_has_a_turn_after_each_piece() -> None:
    turns: list[int] = []
    turn = 0

    def work() -> Generator[None, None, str]:
        for _ in range(20):
            turns.append(turn)
            yield
        return "done"

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert await in_pieces(work()) == "done"
    counting.cancel()
    assert len(set(turns)) == 20


async def test_error_of_a_piece_is_raised() -> None:
    def work() -> Generator[None, None, None]:
        yield
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await in_pieces(work())


async def test_long_work_leaves_a_breath_before_the_next() -> None:
    ended, begun = 0.0, 0.0

    def long() -> None:
        nonlocal ended
        time.sleep(0.1)
        ended = time.monotonic()

    def next_one() -> None:
        nonlocal begun
        begun = time.monotonic()

    await asyncio.gather(in_turn(long), in_turn(next_one))
    assert begun - ended >= 0.02
