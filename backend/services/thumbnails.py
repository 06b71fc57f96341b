"""Small pictures of what tasks made."""

import io

import anyio
import anyio.to_thread
from PIL import Image

from backend.access import Caller
from backend.errors import OutputNotFound
from backend.services.tasks import TaskService

SIDE = 512
"""Pixels of the longer side, at most."""
MOST_PIXELS = 64_000_000
AT_ONCE = 2
CONTENT_TYPE = "image/webp"
QUALITY = 80


class Thumbnails:
    """Made anew each time: whoever asks keeps them, since outputs never change."""

    def __init__(self, tasks: TaskService) -> None:
        self._tasks = tasks
        self._room = anyio.CapacityLimiter(AT_ONCE)

    async def of(self, task_id: str, number: int, caller: Caller) -> bytes:
        """A WebP image. Raises TaskNotFound, OutputNotFound, StorageUnavailable."""
        data = await self._tasks.read(task_id, number, caller)
        small = await anyio.to_thread.run_sync(_thumbnail, data, limiter=self._room)
        if small is None:
            raise OutputNotFound(f"Output {number} is no image: it has no thumbnail.")
        return small


def _thumbnail(data: bytes) -> bytes | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            image.draft("RGB", (SIDE, SIDE))  # A JPEG is decoded no larger than need be.
            clear = "A" in image.mode or "transparency" in image.info
            small = image.convert("RGBA" if clear else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=QUALITY, method=2)
    return file.getvalue()
