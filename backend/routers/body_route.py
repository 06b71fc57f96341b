"""JSON bodies: no stranger's is read, and large ones hold up nobody else."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from backend.access import Scope
from backend.heavy import LARGE, in_pieces, in_turn
from backend.large_texts import PIECE, joined
from backend.routers.access import caller_with

MOST_VALUES = 100_000
"""In a large body: a picture is one, and millions of numbers keep Python busy for seconds."""


class BodyRoute(APIRoute):
    """For whoever may submit: FastAPI alone reads the body first, and asks then whose it is.

    Large bodies are read in a thread, one after the other, with the faster of two readers.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, for a request that reads so."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if self.body_field is not None:
                await caller_with(Scope.SUBMIT, request)
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
        if len(body) < LARGE:
            return await super().json()
        return await in_turn(lambda: _read(body))


def _read(body: bytes) -> Any:
    starts = range(0, len(body), PIECE)
    if sum(body.count(b",", at, at + PIECE) for at in starts) > MOST_VALUES:
        raise HTTPException(413, f"The body has more than {MOST_VALUES} values. Send fewer.")
    try:
        return from_json(body)
    except ValueError:
        # What only the usual reader takes, and its words for what nobody does.
        return json.loads(body)
