"""API keys as an operator sees them."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Literal

from backend.access import ApiKey, Caller
from backend.errors import KeyNotFound
from backend.schemas.response_key import KeyBounds, KeyResponse, KeysResponse
from backend.store.key_store import KeyStore

log = logging.getLogger(__name__)


class KeyAdmin:
    """Lists and revokes. Keys are made on the server alone: no answer ever holds one."""

    def __init__(self, keys: KeyStore, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    async def all(self) -> KeysResponse:
        """All of them. Raises KeysUnusable, StorageUnavailable."""
        now = self._clock()
        return KeysResponse(keys=[_shown(key, now) for key in await self._keys.all()])

    async def revoke(self, key_id: str, caller: Caller) -> KeyResponse:
        """Let nobody in with it from now on; one that is revoked stays so. Raises KeyNotFound."""
        if await self._keys.revoke(key_id, self._clock()):
            log.info("Key %s revoked by %r", key_id, caller.name)
        for key in await self._keys.all():
            if key.id == key_id:
                return _shown(key, self._clock())
        raise KeyNotFound(f"There is no key {key_id[:100]!r}.")


def _shown(key: ApiKey, now: float) -> KeyResponse:
    return KeyResponse(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        state=_state(key, now),
        bounds=KeyBounds(**asdict(key.bounds)),
        created_at=datetime.fromtimestamp(key.created_at, timezone.utc),
        expires_at=_moment(key.expires_at),
        revoked_at=_moment(key.revoked_at),
    )


def _state(key: ApiKey, now: float) -> Literal["valid", "expired", "revoked"]:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
