"""A JSON body that holds values which are JSON already, sent piece by piece."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

SENT_AT_ONCE = 256 * 1024
"""Bytes."""
EXTENSION = "backend.json_body"
"""Under which a request has its body, for whoever signs it."""


class JSONBody:
    """Its pieces, in order. It is sent once: what has been sent is kept no longer."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = deque(pieces)
        self._length = sum(map(len, self._pieces))

    def __len__(self) -> int:
        return self._length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._pieces:
            piece = self._pieces.popleft()
            for at in range(0, len(piece), SENT_AT_ONCE):
                yield piece[at : at + SENT_AT_ONCE]
            del piece

    async def sha256(self) -> str:
        """In hexadecimal digits."""
        return await asyncio.to_thread(self._sha256)

    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self._pieces:
            digest.update(piece)  # Without Python's lock.
        return digest.hexdigest()


def json_object(values: Mapping[str, Any], encoded: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    """One JSON object in pieces: `values`, and by its names what is JSON in pieces already."""
    pieces = [to_json(values)[:-1]]
    for name, value in encoded.items():
        pieces += [b"," if len(pieces) > 1 or values else b"", to_json(name), b":", *value]
    return [*pieces, b"}"]
