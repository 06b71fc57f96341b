"""Streams begin and end a few at a time: thousands at once keep no other request waiting."""

import asyncio
import gc

from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE = 8
"""Streams that are beginning at the same time, and as many that are ending."""
TOGETHER = 64
"""Ended streams, each of which leaves some twenty objects to the garbage collector."""


class StreamGate:
    """Pure ASGI, in front of all else: what waits here has cost next to nothing yet."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._exit = asyncio.Semaphore(AT_ONCE)
        self._ended = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A stream has begun when its answer has, or the WebSocket was accepted.

        It ends when the application hears that its client is gone, and returns.
        """
        if scope["type"] == "lifespan" or not scope["path"].endswith(("/events", "/ws")):
            await self._app(scope, receive, send)
            return
        await self._gate.acquire()
        begun, ends = False, False

        def let_in() -> None:
            nonlocal begun
            if not begun:
                begun = True
                self._gate.release()

        async def noting(message: Message) -> None:
            let_in()
            await send(message)

        async def listening() -> Message:
            nonlocal ends
            message = await receive()
            if not ends and message["type"].endswith(".disconnect"):
                await self._exit.acquire()
                ends = True
            return message

        try:
            await self._app(scope, listening, noting)
        finally:
            let_in()
            if ends:
                self._exit.release()
                self._clear_up()

    def _clear_up(self) -> None:
        """Python waits until more objects are made than given back: here, that is too late."""
        self._ended += 1
        if self._ended % TOGETHER == 0:
            gc.collect(0)
