"""API keys as they are kept: by their hash, never as they are."""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Protocol

from backend.access import ApiKey, Bounds, Scope


class KeyStore(Protocol):
    """Every method raises KeysUnusable or StorageUnavailable where it cannot be known."""

    async def exist(self) -> bool:
        """Whether a key was ever made: revoked and expired ones count."""

    async def find(self, digest: str) -> ApiKey | None:
        """The key with this hash as it is now, revoked or not."""

    async def add(self, key: ApiKey, digest: str) -> None:
        """Keep a new one."""

    async def all(self) -> list[ApiKey]:
        """All of them, those that were made first before the others."""

    async def revoke(self, key_id: str, now: float) -> bool:
        """From now on it lets nobody in; False where there is none such, or it was revoked."""

    async def close(self) -> None:
        """Let go of everything."""


def digest_of(secret: str) -> str:
    """What is kept of a key.

    A fast hash is right: a key has 256 random bits, which nobody can try out.
    """
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()


def text_of(key: ApiKey) -> str:
    """All of it but its id, for a column."""
    kept: dict[str, Any] = asdict(key)
    kept["scopes"] = sorted(scope.value for scope in key.scopes)
    return json.dumps({name: value for name, value in kept.items() if name != "id"})


def key_of(key_id: str, text: str) -> ApiKey:
    """The key of a row."""
    kept = json.loads(text)
    scopes = frozenset(Scope(scope) for scope in kept.pop("scopes"))
    bounds = Bounds(**kept.pop("bounds"))
    return ApiKey(id=key_id, scopes=scopes, bounds=bounds, **kept)
