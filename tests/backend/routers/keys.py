"""API keys to send requests with."""

import secrets
import time
from pathlib import Path
from typing import Any

from backend.access import ApiKey, Bounds, Scope
from backend.config import Settings
from backend.store.key_store import digest_of
from backend.store.sqlite.keys import SQLiteKeyStore

ALL = tuple(Scope)


async def a_key(where: Settings | Path, *scopes: Scope, **changes: Any) -> dict[str, str]:
    """A new key, as the header that it is sent in."""
    folder = where.data_path if isinstance(where, Settings) else where
    secret, keys = secrets.token_urlsafe(32), SQLiteKeyStore(folder)
    key = ApiKey(
        **{
            "id": f"key_{secrets.token_hex(4)}",
            "name": "a client",
            "scopes": frozenset(scopes or (Scope.SUBMIT, Scope.READ)),
            "created_at": time.time(),
            "bounds": Bounds(),
            **changes,
        }
    )
    try:
        await keys.add(key, digest_of(secret))
    finally:
        await keys.close()
    return {"Authorization": f"Bearer {secret}"}
