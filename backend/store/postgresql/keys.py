"""API keys in the task database, for all backends."""

import time
from dataclasses import replace

from backend.access import ApiKey
from backend.store.key_store import key_of, text_of
from backend.store.postgresql.database import Connection, Database

FRESH_SECONDS = 1.0
"""That nobody looks again whether the first key has been made."""


class PostgreSQLKeyStore:
    """The database is the task store's, which opens and closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._exist = False
        self._looked_at = float("-inf")

    async def exist(self) -> bool:
        if not self._exist and time.monotonic() - self._looked_at >= FRESH_SECONDS:
            self._exist = await self._database.run(_exist)
            self._looked_at = time.monotonic()
        return self._exist

    async def find(self, digest: str) -> ApiKey | None:
        return await self._database.run(_find, digest)

    async def add(self, key: ApiKey, digest: str) -> None:
        await self._database.run(_add, key, digest)

    async def all(self) -> list[ApiKey]:
        return await self._database.run(_all)

    async def revoke(self, key_id: str, now: float) -> bool:
        return await self._database.transact(_revoke, key_id, now)

    async def close(self) -> None:
        """The task store closes the database."""


async def _exist(db: Connection) -> bool:
    return await (await db.execute("SELECT 1 AS one FROM api_keys LIMIT 1")).fetchone() is not None


async def _find(db: Connection, digest: str) -> ApiKey | None:
    cursor = await db.execute("SELECT id, key FROM api_keys WHERE hash = %s", (digest,))
    row = await cursor.fetchone()
    return key_of(row["id"], row["key"]) if row else None


async def _add(db: Connection, key: ApiKey, digest: str) -> None:
    # Where the connection was lost while it was committed, this is the same once more.
    await db.execute(
        "INSERT INTO api_keys (id, hash, key) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING",
        (key.id, digest, text_of(key)),
    )


async def _all(db: Connection) -> list[ApiKey]:
    rows = await (await db.execute("SELECT id, key FROM api_keys")).fetchall()
    keys = [key_of(row["id"], row["key"]) for row in rows]
    return sorted(keys, key=lambda key: (key.created_at, key.id))


async def _revoke(db: Connection, key_id: str, now: float) -> bool:
    """In a transaction."""
    statement = "SELECT key FROM api_keys WHERE id = %s FOR UPDATE"
    row = await (await db.execute(statement, (key_id,))).fetchone()
    key = key_of(key_id, row["key"]) if row else None
    if key is None or key.revoked_at is not None:
        return False
    text = text_of(replace(key, revoked_at=now))
    await db.execute("UPDATE api_keys SET key = %s WHERE id = %s", (text, key_id))
    return True
