"""Streams begin a few at a time: thousands that come at once keep no other request waiting."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE = 8
"""Streams that are beginning at the same time."""


class StreamGate:
    """Pure ASGI, in front of all else: what waits here has cost next to nothing yet."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A stream has begun when its answer has, or the WebSocket was accepted."""
        if scope["type"] == "lifespan" or not scope["path"].endswith(("/events", "/ws")):
            await self._app(scope, receive, send)
            return
        await self._gate.acquire()
        begun = False

        def let_in() -> None:
            nonlocal begun
            if not begun:
                begun = True
                self._gate.release()

        async def noting(message: Message) -> None:
            let_in()
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            let_in()
