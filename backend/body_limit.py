"""Bounds on request bodies, kept while they arrive and before anything parses them."""

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IDLE_SECONDS = 10.0
"""How long a body may stand still: uvicorn waits for ever, even when it is told to stop."""
FIRST_SECONDS = 30.0
"""How long a body may take, and a second more for each `SLOWEST` bytes of it."""
SLOWEST = 50_000
SMALL = 1024 * 1024
"""Bytes. A body up to here is not counted among those that are held."""
ARRIVED = "gateway.arrived"
"""In the scope of a request, once its body is complete: when that was, by the loop's clock."""


class BodyLimit:
    """Pure ASGI: answers 413 to a body of more than `max_bytes`, 408 to one that is too slow.

    Where the larger bodies of all requests together are more than `max_held`, one more is a 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        max_held: int | None = None,
        idle_seconds: float = IDLE_SECONDS,
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_held = max_held
        self._idle_seconds = idle_seconds
        self._first_seconds = first_seconds
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by Content-Length where there is one, else by counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(_declared(scope), anyio.current_time() + self._first_seconds)

        async def bounded() -> Message:
            if body.complete:
                return await receive()  # Only a disconnect can come, at any time.
            if max(body.declared, body.size) > self._max_bytes:
                raise self._too_large()
            message = await self._in_time(body, receive)
            self._count(body, len(message.get("body", b"")))
            body.complete = not message.get("more_body", False)
            if body.complete:
                scope[ARRIVED] = anyio.current_time()
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._held -= body.held

    def _count(self, body: "_Body", more: int) -> None:
        body.size += more
        if body.size > self._max_bytes:
            raise self._too_large()
        if body.size > SMALL:
            self._held += body.size - body.held
            body.held = body.size
        if self._max_held is not None and body.held and self._held > self._max_held:
            raise HTTPException(
                503, "Too many large requests at once. Try again in a moment.", CLOSE
            )

    async def _in_time(self, body: "_Body", receive: Receive) -> Message:
        left = body.due + body.size / SLOWEST - anyio.current_time()
        try:
            with anyio.fail_after(max(min(self._idle_seconds, left), 0.0)):
                return await receive()
        except TimeoutError as exc:
            raise HTTPException(
                408, "The body stopped half-way, or is too slow. Send it again.", CLOSE
            ) from exc

    def _too_large(self) -> HTTPException:
        # Closed: else the server would read the rest of it, to the end.
        return HTTPException(
            413,
            f"The body is larger than {self._max_bytes} bytes. Send less, or raise MAX_BODY_MB.",
            CLOSE,
        )


CLOSE = {"Connection": "close"}


class _Body:
    """How far one has come."""

    def __init__(self, declared: int, due: float) -> None:
        self.declared = declared
        self.due = due
        self.size = 0
        self.held = 0
        self.complete = False


def _declared(scope: Scope) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"")
    # 19 digits are more than any bound, and Python refuses thousands of them.
    return int(declared[:19]) if declared.isdigit() else 0
