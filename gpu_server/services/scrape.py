"""What Prometheus reads, when it asks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gpu_server.errors import GPUServiceError
from gpu_server.metrics.comfyui import ComfyUICollector, Standing
from gpu_server.services.readiness import Readiness

T = TypeVar("T")

log = logging.getLogger(__name__)

OPENMETRICS = "application/openmetrics-text"
ASK_SECONDS = 1.0
"""That ComfyUI may take. What has not answered by then is left out."""
KEPT_SECONDS = 2.0
"""That what was seen counts: however many ask, ComfyUI is asked once in so long."""


class Scrape:
    """Looks at what is not counted as it happens, and renders the registry.

    `stats` asks ComfyUI how it is, `listening` says whether its messages arrive.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        collector: ComfyUICollector,
        readiness: Readiness,
        stats: Callable[[], Awaitable[dict[str, Any]]],
        listening: Callable[[], bool],
        ask_seconds: float = ASK_SECONDS,
    ) -> None:
        self._registry = registry
        self._collector = collector
        self._readiness = readiness
        self._stats = stats
        self._listening = listening
        self._ask_seconds = ask_seconds
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")

    async def read(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that `accept` asks for, and its content type. Never raises."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= KEPT_SECONDS:
                self._collector.standing = await self._look()
                self._looked_at = time.monotonic()
        # Versions and escapings are the sender's words, which the library trusts.
        encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS in accept else "")
        # Hundreds of lines take some milliseconds: others are not to wait for them.
        return await asyncio.to_thread(encode, self._registry), content_type

    async def _look(self) -> Standing:
        stats, checks = await asyncio.gather(
            self._in_time(self._stats()), self._in_time(self._checks())
        )
        return Standing(stats, self._listening(), checks or {})

    async def _checks(self) -> dict[str, bool]:
        return {each.check: each.ok for each in (await self._readiness.look()).checks}

    async def _in_time(self, asked: Awaitable[T]) -> T | None:
        try:
            return await asyncio.wait_for(asked, self._ask_seconds)
        except (asyncio.TimeoutError, GPUServiceError):  # Python 3.10 has it apart.
            return None
        except Exception:
            log.exception("Metrics: this is a bug")
            return None
