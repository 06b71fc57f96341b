"""What is done between a stop signal and the end of the server.

uvicorn closes its sockets at the signal, lets open requests end, and only then tells the
application. So we hear the signal ourselves, in front of uvicorn's own handlers: it goes on serving
until we are done, and is told to stop then.
"""

import asyncio
import inspect
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)

Drain = Callable[[], Awaitable[None] | None]
"""Bounds its own time. Cancelled where a second signal comes before it is done."""


@contextmanager
def on_stop_signal(drain: Drain) -> Iterator[None]:
    """Run `drain` in the running loop when a stop signal comes; after it the server stops.

    A second signal cuts it short; Ctrl+C after that is uvicorn's to handle: it waits for nobody.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    draining: asyncio.Task[None] | None = None

    def stop(number: int) -> None:
        nonlocal draining
        if draining is None:
            draining = asyncio.create_task(_drained(drain), name="drain")
            draining.add_done_callback(lambda _: _end_server(previous[number], number))
        elif not draining.done():
            # Not at once: where both signals came together, the drain has not taken its first step,
            # and would be cancelled before it told anybody that the service stops.
            loop.call_soon(draining.cancel)
        else:
            _end_server(previous[number], number)

    def hear(number: int, _: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop, number)

    for number in SIGNALS:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in SIGNALS:
            # uvicorn puts back what was there before it, where it waits for nobody.
            if signal.getsignal(number) is hear:
                signal.signal(number, previous[number])
        if draining is not None:
            draining.cancel()


async def _drained(drain: Drain) -> None:
    try:
        pending = drain()
        if inspect.isawaitable(pending):
            await pending
    except Exception:
        log.exception("Draining failed: this is a bug")


def _end_server(handler: Any, number: int) -> None:
    """Hand the signal to the handler that was there before us."""
    server = getattr(handler, "__self__", None)
    if isinstance(server, uvicorn.Server):
        # Not through its handler, which notes the signal, and has the process die of it at the
        # end: a stop that went as it should exits with 0.
        server.force_exit |= server.should_exit and number == signal.SIGINT
        server.should_exit = True
    elif callable(handler):
        handler(number, None)
