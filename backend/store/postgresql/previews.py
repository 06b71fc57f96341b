"""Progress and previews on their way between processes. Nothing of it is kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.store.postgresql.database import Connection
from backend.store.postgresql.listener import LIVE

LONGEST_PAYLOAD = 7999
"""Bytes that PostgreSQL takes with a notification."""
PUT = """
    WITH put AS (
        INSERT INTO task_previews (task_id, content_type, image)
        SELECT id, %s, %s FROM tasks WHERE id = %s AND state = 'running'
        ON CONFLICT (task_id) DO UPDATE
        SET seq = EXCLUDED.seq, content_type = EXCLUDED.content_type, image = EXCLUDED.image
        RETURNING task_id, seq
    )
    SELECT pg_notify(%s, json_build_object('task_id', task_id, 'preview', seq)::text) FROM put
"""


@dataclass(frozen=True)
class StoredPreview:
    """The newest picture of a task that runs; `seq` grows with each."""

    seq: int
    content_type: str
    image: bytes


async def tell(db: Connection, task_id: str, payload: Mapping[str, Any]) -> None:
    text = json.dumps({**payload, "task_id": task_id})
    if len(text) <= LONGEST_PAYLOAD:  # ASCII. What is longer is only progress, and may be missed.
        await db.execute("SELECT pg_notify(%s, %s)", (LIVE, text))


async def put(db: Connection, task_id: str, content_type: str, image: bytes) -> None:
    await db.execute(PUT, (content_type, image, task_id, LIVE))


async def newest(db: Connection, task_id: str) -> StoredPreview | None:
    cursor = await db.execute(
        "SELECT seq, content_type, image FROM task_previews WHERE task_id = %s", (task_id,)
    )
    row = await cursor.fetchone()
    return None if row is None else StoredPreview(**row)
