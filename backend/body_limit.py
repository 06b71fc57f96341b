"""A bound on request bodies, kept while they arrive and before anything parses them."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Pure ASGI: answers 413 to a body of more than `max_bytes`."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

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

        async def bounded() -> Message:
            nonlocal counted
            if counted <= self._max_bytes:
                message = await receive()
                counted += len(message.get("body", b""))
            if counted > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413,
            f"The body is larger than {self._max_bytes} bytes. Send less, or raise MAX_BODY_MB.",
        )
