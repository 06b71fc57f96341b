"""What other processes tell: changes of tasks, and what happens to them right now."""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from typing import Any

import psycopg

from backend.store.postgresql.database import Connection, Database

log = logging.getLogger(__name__)

CHANGES, LIVE = "gateway_tasks", "gateway_live"
QUIET_SECONDS = 15.0
"""Without news, the connection is tried: it may be dead without having been closed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
"""Seconds between tries to connect again."""

Heard = Callable[[dict[str, Any]], None]


class Listener:
    """One connection that only listens, from `start` to `stop`, and for ever connects again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard: list[Heard] = []
        self._missed: list[Callable[[], None]] = []
        self._loop: asyncio.Task[None] | None = None

    def add(self, heard: Heard, missed: Callable[[], None]) -> None:
        """`heard` is called with each payload, `missed` whenever some may not have come."""
        self._heard.append(heard)
        self._missed.append(missed)

    def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.create_task(self._listen(), name="database listener")

    async def stop(self) -> None:
        """Listen no more."""
        while self._loop is not None and not self._loop.done():
            # Before Python 3.12 a cancellation is lost when news come at the same moment.
            self._loop.cancel()
            await asyncio.wait([self._loop], timeout=0.1)

    async def _listen(self) -> None:
        pause, away = FIRST_PAUSE, False
        while True:
            try:
                async with await self._database.connect() as connection:
                    await connection.execute(f"LISTEN {CHANGES}; LISTEN {LIVE}")
                    if away:
                        log.info("Listening to the task database again")
                    pause, away = FIRST_PAUSE, False
                    for missed in self._missed:
                        missed()
                    await self._hear(connection)
            except psycopg.Error as exc:
                if not away:
                    log.warning("No news from the task database: %s", str(exc).partition("\n")[0])
                away = True
            except Exception:
                log.exception("The listener: this is a bug")
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _hear(self, connection: Connection) -> None:
        while True:
            async for notification in connection.notifies(timeout=QUIET_SECONDS):
                payload = json.loads(notification.payload)
                for heard in self._heard:
                    heard(payload)
            await connection.execute("SELECT 1")
