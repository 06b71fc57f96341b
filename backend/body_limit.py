"""Bounds on request bodies, kept while they arrive and before anything parses them."""

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IDLE_SECONDS = 10.0
"""How long a body may stand still: uvicorn waits for ever, even when it is told to stop."""


class BodyLimit:
    """Pure ASGI: answers 413 to a body of more than `max_bytes`, 408 to one that stands still."""

    def __init__(self, app: ASGIApp, max_bytes: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by Content-Length where there is one, else by counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        # Counted as if it had come already: refused before the first byte is read.
        # 19 digits are more than any bound, and Python refuses thousands of them.
        counted = int(declared[:19]) if declared.isdigit() else 0
        if counted <= self._max_bytes:
            counted = 0
        complete = False

        async def bounded() -> Message:
            nonlocal counted, complete
            if counted <= self._max_bytes:
                # After the body only a disconnect can come, at any time.
                message = await (receive() if complete else self._in_time(receive))
                counted += len(message.get("body", b""))
                complete = not message.get("more_body", False)
            if counted > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, bounded, send)

    async def _in_time(self, receive: Receive) -> Message:
        try:
            with anyio.fail_after(self._idle_seconds):
                return await receive()
        except TimeoutError as exc:
            raise HTTPException(
                408, "The body stopped half-way. Send it again.", {"Connection": "close"}
            ) from exc

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413,
            f"The body is larger than {self._max_bytes} bytes. Send less, or raise MAX_BODY_MB.",
        )
