"""Images sent ahead of the requests that use them, kept once by their content."""

import asyncio
import hashlib
import re
from collections.abc import Sequence

from backend.clients.image_fetcher import SCHEMES, ImageFetcher
from backend.errors import InvalidInput
from backend.heavy import in_pieces
from backend.large_texts import to_base64
from backend.services.images import ImageCheck
from backend.services.room import Room
from backend.store.outputs.output_store import OutputStore
from backend.tasks import Output

PREFIX = "upload:"
REFERENCE = re.compile(rf"{PREFIX}([0-9a-f]{{64}})")
FOLDER = "uploads"
"""Beside the tasks' own folders, whose names are UUIDs."""
AT_ONCE = 4
"""Images of one request that are fetched at the same time, each in memory as a file meanwhile."""


class UploadService:
    """Takes images, and puts them in where a request refers to them."""

    def __init__(
        self,
        store: OutputStore,
        check: ImageCheck,
        room: Room | None = None,
        fetcher: ImageFetcher | None = None,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._check = check
        self._room = room

    async def take(self, data: bytes) -> str:
        """Keep an image; what a request says instead of its base64.

        Raises InvalidInput for what is no image or too large a one; StorageFull.
        """
        if self._room is not None:
            self._room.check()
        await asyncio.to_thread(self._check.check_file, "the body", data)
        name = hashlib.sha256(data).hexdigest()
        await self._store.put(FOLDER, name, data)
        return f"{PREFIX}{name}"

    async def put_in(self, images: Sequence[tuple[str, str]]) -> list[str]:
        """For each field and its value: the image in base64, or a value that is one as it is.

        URLs are fetched at the same time, within the time that they have together. Raises
        InvalidInput and UrlRefused, naming the field, for the first that fails; no other goes on.
        """
        due = 0.0 if self._fetcher is None else self._fetcher.due()
        turns = asyncio.Semaphore(AT_ONCE)

        async def put(field: str, value: str) -> str:
            async with turns:
                return await self._put(field, value, due)

        putting = [asyncio.ensure_future(put(*each)) for each in images]
        try:
            return await asyncio.gather(*putting)
        finally:
            for each in putting:
                each.cancel()
            await asyncio.gather(*putting, return_exceptions=True)

    async def _put(self, field: str, value: str, due: float) -> str:
        if self._fetcher is not None and value[:8].lower().startswith(SCHEMES):
            fetched = await self._fetcher.fetch(field, value, due)
            return await in_pieces(to_base64(fetched))
        if not value.startswith(PREFIX):
            return value
        match = REFERENCE.fullmatch(value)
        data = await self._store.read(FOLDER, Output(match[1], "", 0)) if match else None
        if data is None:
            raise InvalidInput(
                f"{field} refers to an upload that is not here. Send it to POST /uploads again.",
                parameter=field,
            )
        return await in_pieces(to_base64(data))
