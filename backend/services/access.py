"""Who a request is from, by its API key."""

import time
from collections.abc import Callable

from backend.access import EVERYBODY, ApiKey, Caller, Scope
from backend.errors import ApiKeyInvalid, ApiKeyMissing, ScopeMissing
from backend.store.key_store import KeyStore, digest_of

MISSING = (
    "This API asks for a key: send it as `Authorization: Bearer …` or `X-API-Key: …`. "
    "Whoever runs the server makes one with `python -m backend.keys create`."
)
INVALID = "This API key is not known, has expired or was revoked. Ask whoever gave it to you."


class AccessService:
    """Keys are off until the first one is made, or `required` says that they are on."""

    def __init__(
        self, keys: KeyStore, *, required: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._required = required
        self._clock = clock

    async def caller(self, secret: str | None) -> Caller:
        """Whose key it is; everybody's while keys are off.

        Raises ApiKeyMissing, ApiKeyInvalid; KeysUnusable, StorageUnavailable.
        """
        if not self._required and not await self._keys.exist():
            return EVERYBODY
        if not secret:
            raise ApiKeyMissing(MISSING)
        key_hash = digest_of(secret)
        key = await self._keys.find(key_hash)
        if key is None or not self._is_valid(key):
            raise ApiKeyInvalid(INVALID)
        return Caller(key.id, key.name, key.scopes, key.bounds, key_hash)

    async def still_holds(self, caller: Caller) -> bool:
        """Whether a key that was let in would be let in now: it may be revoked while it reads.

        Raises KeysUnusable, StorageUnavailable.
        """
        if caller.key_hash is None:
            return True
        key = await self._keys.find(caller.key_hash)
        return key is not None and self._is_valid(key)

    def _is_valid(self, key: ApiKey) -> bool:
        expired = key.expires_at is not None and key.expires_at <= self._clock()
        return key.revoked_at is None and not expired


def check_scope(caller: Caller, scope: Scope) -> None:
    """Raise ScopeMissing where the caller may not."""
    if not caller.may(scope):
        raise ScopeMissing(
            f"This key is not for that: it lacks the scope {scope.value!r}. "
            f"It has: {', '.join(sorted(each.value for each in caller.scopes)) or 'none'}.",
            scope=scope.value,
        )
