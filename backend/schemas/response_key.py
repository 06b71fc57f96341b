"""What `GET /access` and the routes under `/keys` answer."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from backend.access import Scope


class AccessResponse(BaseModel):
    """How whoever asks stands: always with 200, so that a page can ask before it has a key."""

    keys: Literal["on", "off"] = Field(description="Whether this API asks for a key.")
    granted: bool = Field(description="Whether the caller gets in.")
    name: str | None = Field(None, description="Of the key.")
    scopes: list[Scope] = []
    detail: str | None = Field(None, description="Why not, and what to do.")


class KeyBounds(BaseModel):
    """What one key may use; null where it is not bounded."""

    requests_per_minute: int | None
    concurrent_tasks: int | None
    tasks_per_day: int | None


class KeyResponse(BaseModel):
    """What is known of a key. The key itself is kept nowhere."""

    id: str
    name: str
    scopes: list[Scope]
    state: Literal["valid", "expired", "revoked"]
    bounds: KeyBounds
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeysResponse(BaseModel):
    """All of them, those that were made first before the others."""

    keys: list[KeyResponse]
