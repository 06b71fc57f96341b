"""Our life sign: a row of procrastinate_workers, kept fresh while this process lives."""

import asyncio
import logging
from contextlib import suppress

from backend.errors import BackendError, StorageFull, StorageUnavailable
from backend.store.postgresql.database import Connection, Database
from backend.store.postgresql.deliveries import jobs_on

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Between tries while the database does not answer."""


async def living(db: Connection, stalled_after: float) -> int:
    """How many workers have sent a life sign lately."""
    found = await db.execute(
        "SELECT count(*) AS number FROM procrastinate_workers"
        " WHERE last_heartbeat > now() - make_interval(secs => %s)",
        (stalled_after,),
    )
    row = await found.fetchone()
    return int(row["number"]) if row else 0


class WorkerIdentity:
    """Registered from `start` to `stop`; registers anew where others took it for dead."""

    def __init__(self, database: Database, heartbeat: float) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._registering = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None
        self.id = 0
        """Of procrastinate_workers."""

    async def start(self) -> None:
        """Register, and keep beating."""
        await self._database.run(self._register)
        self._loop = asyncio.create_task(self._beat(), name="heartbeat")

    async def stop(self) -> None:
        """What still runs under this worker is anybody's from now on."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
            with suppress(StorageFull, StorageUnavailable):
                await self._database.run(self._unregister)

    async def renew(self, old: int) -> None:
        """Register again, unless that has been done since this worker was `old`."""
        async with self._registering:
            if self.id == old:
                log.warning("This worker had been taken for dead: what it ran is run again")
                await self._database.run(self._register)

    async def _beat(self) -> None:
        while True:
            try:
                current = self.id
                if not await self._database.run(self._live_on):
                    await self.renew(current)
                await asyncio.sleep(self._heartbeat)
            except BackendError:
                await asyncio.sleep(min(RETRY_SECONDS, self._heartbeat))
            except Exception:
                log.exception("The heartbeat: this is a bug")
                await asyncio.sleep(self._heartbeat)

    async def _register(self, db: Connection) -> None:
        self.id = await (await jobs_on(db)).register_worker()

    async def _unregister(self, db: Connection) -> None:
        await (await jobs_on(db)).unregister_worker(self.id)

    async def _live_on(self, db: Connection) -> bool:
        await (await jobs_on(db)).update_heartbeat(self.id)
        # The library does not say when there is nothing to update.
        found = await db.execute("SELECT 1 FROM procrastinate_workers WHERE id = %s", (self.id,))
        return found.rowcount == 1
