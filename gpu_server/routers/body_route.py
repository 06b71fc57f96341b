"""JSON bodies, of which a large one holds up nobody else."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from gpu_server.heavy import LARGE, in_pieces, in_turn
from gpu_server.large_texts import joined


class BodyRoute(APIRoute):
    """Reads large bodies in a thread, one after the other, with the faster of two readers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, for a request that reads so."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_Request(request.scope, request.receive))

        return handle


class _Request(Request):
    async def body(self) -> bytes:
        """The whole of it."""
        if not hasattr(self, "_body"):
            parts = [part async for part in self.stream()]
            if sum(map(len, parts)) < LARGE:
                self._body = b"".join(parts)
            else:
                self._body = await in_pieces(joined(parts))
        return self._body

    async def json(self) -> Any:
        """The body. Raises json.JSONDecodeError, ValueError, RecursionError."""
        body = await self.body()
        return await super().json() if len(body) < LARGE else await in_turn(lambda: _read(body))


def _read(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        # What only the usual reader takes, and its words for what nobody does.
        return json.loads(body)
