"""Hearing of a stop signal."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from backend.shutdown import on_stop_signal
from tests.conditions import eventually


@contextmanager
def handling(number: signal.Signals, heard: list[int]) -> Iterator[None]:
    def handler(number: int, _: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_calls_back(number: signal.Signals) -> None:
    called: list[int] = []
    with handling(number, []), on_stop_signal(lambda: called.append(1)):
        os.kill(os.getpid(), number)
        await eventually(lambda: called)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_handler_before_hears_it_too(number: signal.Signals) -> None:
    heard: list[int] = []
    with handling(number, heard), on_stop_signal(lambda: None):
        os.kill(os.getpid(), number)
        await eventually(lambda: heard == [number])


async def test_handler_before_is_back_afterwards() -> None:
    heard: list[int] = []
    called: list[int] = []
    with handling(signal.SIGTERM, heard):
        with on_stop_signal(lambda: called.append(1)):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: heard)
    assert not called


async def test_outside_the_main_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> bool:
        with on_stop_signal(lambda: None):
            return signal.getsignal(signal.SIGTERM) is before

    assert await asyncio.to_thread(enter)
