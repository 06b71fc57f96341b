"""What Prometheus reads, when it asks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from backend.errors import BackendError
from backend.metrics.standing import Standing, StandingCollector
from backend.services.readiness import Readiness
from backend.services.room import Room
from backend.store.task_store import SharedTaskStore, TaskStore
from backend.store.webhook_outbox import WebhookOutbox

T = TypeVar("T")

log = logging.getLogger(__name__)

OPENMETRICS = "application/openmetrics-text"
ASK_SECONDS = 1.0
"""That the store may take. What has not answered by then is left out."""
KEPT_SECONDS = 2.0
"""That what was seen counts: however many ask, the store is asked once in so long."""


class Scrape:
    """Looks at what is not counted as it happens, and renders the registry."""

    def __init__(
        self,
        registry: CollectorRegistry,
        collector: StandingCollector,
        readiness: Readiness,
        store: TaskStore,
        outbox: WebhookOutbox,
        shared: SharedTaskStore | None,
        room: Room,
        ask_seconds: float = ASK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._collector = collector
        self._readiness = readiness
        self._store = store
        self._outbox = outbox
        self._shared = shared
        self._room = room
        self._ask_seconds = ask_seconds
        self._clock = clock
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
        # A thousand lines take some milliseconds: others are not to wait for them.
        return await asyncio.to_thread(encode, self._registry), content_type

    async def _look(self) -> Standing:
        tasks, backlog, workers, checks = await asyncio.gather(
            self._in_time(self._store.census()),
            self._in_time(self._outbox.backlog()),
            self._in_time(self._workers()),
            self._in_time(self._checks()),
        )
        # Looked at by a check.
        return Standing(self._clock(), tasks, backlog, workers, checks, self._room.free_mb)

    async def _workers(self) -> int | None:
        return None if self._shared is None else await self._shared.workers()

    async def _checks(self) -> dict[str, bool]:
        return {each.check: each.ok for each in (await self._readiness.look()).checks}

    async def _in_time(self, asked: Awaitable[T]) -> T | None:
        try:
            return await asyncio.wait_for(asked, self._ask_seconds)
        except (asyncio.TimeoutError, BackendError):  # Python 3.10 has it apart from the built-in.
            return None
        except Exception:
            log.exception("Metrics: this is a bug")
            return None
