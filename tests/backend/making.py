"""Tasks and images to test with."""

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image

from backend.tasks import Task


def a_task(task_id: str = "t1", **changes: Any) -> Task:
    """A queued task."""
    values = {
        "mode": "free",
        "workflow": "free_generation",
        "params": {"prompt": "a lighthouse"},
        "created_at": 1000.0,
        **changes,
    }
    return Task(id=task_id, **values)


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    """An image file."""
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    return file.getvalue()


def picture_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header has this size, and whose pixels are missing."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    head = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + head + struct.pack(">I", 0) + b"IDAT"


def base64_of(data: bytes) -> str:
    """As clients send it."""
    return base64.b64encode(data).decode("ascii")
