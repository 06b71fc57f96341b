"""JSON bodies: no stranger's is read, and large ones hold up nobody else."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from backend.access import Scope
from backend.routers.access import caller_with

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes. Below, a thread would cost more than the reading."""

_READER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-body")


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
                self._body = await _in_reader(b"".join, parts)
        return self._body

    async def json(self) -> Any:
        """The body. Raises json.JSONDecodeError, ValueError, RecursionError."""
        body = await self.body()
        if len(body) < LARGE:
            return await super().json()
        return await _in_reader(_read, body)


async def _in_reader(work: Callable[[Any], T], given: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(_READER, work, given)


def _read(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        # What only the usual reader takes, and its words for what nobody does.
        return json.loads(body)
