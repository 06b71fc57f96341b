"""Python's garbage collector, kept from stopping the world while thousands of streams are open.

A full collection looks at every object there is: 0.1 s after the start, and half a second with
3,000 streams, during which nothing is answered. So what the start has made is left out for good,
and full collections are made when few connections are open, or when an hour is over.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import uvicorn

from backend.background import BackgroundLoop

LOOK_SECONDS = 30.0
FEW = 200
"""Connections, with which a full collection takes some milliseconds."""
LONGEST_SECONDS = 3600.0
"""Without a full collection."""
NEVER = 1_000_000_000
"""Of the younger collections before a full one."""


class Garbage(BackgroundLoop):
    """While it is entered, decides on full collections; without a uvicorn server, does nothing."""

    name = "garbage"

    def __init__(
        self, server: uvicorn.Server | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._server = server
        self._clock = clock
        self._collected_at = clock()
        self._thresholds = gc.get_threshold()

    async def __aenter__(self) -> "Garbage":
        if self._server is None:
            return self
        gc.collect()
        gc.freeze()
        gc.set_threshold(*self._thresholds[:2], NEVER)
        return await super().__aenter__()

    async def __aexit__(self, *reason: Any) -> None:
        await super().__aexit__(*reason)
        if self._server is not None:
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()

    def look(self) -> bool:
        """Once; whether it collected."""
        if self._server is None:
            return False
        now = self._clock()
        few = len(self._server.server_state.connections) <= FEW
        if not few and now - self._collected_at < LONGEST_SECONDS:
            return False
        gc.collect()
        self._collected_at = now
        return True

    async def _once(self) -> None:
        self.look()

    async def _pause(self) -> None:
        await asyncio.sleep(LOOK_SECONDS)
