"""Tasks and images to test with."""

import base64
import io
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from backend.store.sqlite.store import SQLiteTaskStore
from backend.store.task_store import Serves, TaskStore
from backend.tasks import Claim, Task

SERVICE_URL = "http://gpu.test:8001"
PARAMS = {"prompt": "a lighthouse"}


def a_task(task_id: str = "t1", **changes: Any) -> Task:
    """A queued task."""
    values = {"mode": "free", "workflow": "free_generation", "created_at": 1000.0, **changes}
    return Task(id=task_id, **values)


@asynccontextmanager
async def process(folder: Path) -> AsyncIterator[SQLiteTaskStore]:
    """The open store of one process: what it leaves running, the next one finds so."""
    store = SQLiteTaskStore(folder)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def queued(
    store: TaskStore, task_id: str = "t1", *, params: Mapping[str, Any] = PARAMS, **changes: Any
) -> Task:
    """A new task, kept."""
    task, is_new = await store.add(a_task(task_id, **changes), params)
    assert is_new
    return task


def anything(workflow: str, needs: Mapping[str, Any]) -> bool:
    """A GPU service that can run whatever there is."""
    return True


async def offered(
    store: TaskStore,
    now: float = 2000.0,
    job_id: str = "j1",
    service: str = SERVICE_URL,
    serves: Serves = anything,
) -> Claim | None:
    """What a GPU service is given, if anything."""
    return await store.claim(now, job_id, service, serves)


async def taken(
    store: TaskStore,
    now: float = 2000.0,
    job_id: str = "j1",
    service: str = SERVICE_URL,
    serves: Serves = anything,
) -> Claim:
    """What a GPU service is given."""
    claim = await offered(store, now, job_id, service, serves)
    assert claim is not None
    return claim


async def claimed(
    store: TaskStore, now: float = 2000.0, job_id: str = "j1", service: str = SERVICE_URL
) -> Task:
    """The task that a GPU service is given."""
    return (await taken(store, now, job_id, service)).task


async def kept(store: TaskStore, task_id: str = "t1") -> Task:
    """The task as the store has it."""
    task = await store.get(task_id)
    assert task is not None
    return task


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    """An image file, saved with these options."""
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **options)
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
