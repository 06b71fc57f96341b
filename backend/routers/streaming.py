"""Events as a stream of `text/event-stream` (the HTML standard's server-sent events)."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import anyio
from fastapi import Depends, Header
from fastapi.responses import StreamingResponse

from backend.errors import BackendError
from backend.services.task_story import StoryEvent

log = logging.getLogger(__name__)

HEARTBEAT = b": still here\n\n"
MAX_SECONDS = 3600.0
"""A reader who wants more comes back with Last-Event-ID."""
MAX_DIGITS = 16
EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""Of one event."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_number(last: str) -> int:
    """Of the last event that the client has; 0 where it has none, or says what is none."""
    return int(last) if last.isascii() and last.isdigit() and len(last) < MAX_DIGITS else 0


async def _last_event_id(
    last: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> int:
    return event_number(last or "")


LastEventId = Annotated[int, Depends(_last_event_id)]


def server_sent_events(
    events: AsyncGenerator[StoryEvent | None, None],
) -> StreamingResponse:
    """Each event under its kind, with its number where it has one; a comment for None."""
    return StreamingResponse(_encoded(events), media_type="text/event-stream", headers=HEADERS)


async def _encoded(events: AsyncGenerator[StoryEvent | None, None]) -> AsyncGenerator[bytes, None]:
    ends_at = anyio.current_time() + MAX_SECONDS
    async with aclosing(events):
        try:
            async for event in events:
                yield HEARTBEAT if event is None else _bytes(event)
                if anyio.current_time() > ends_at:
                    return
        except BackendError as exc:
            # The answer has begun: it can only end, and the client comes back for the rest.
            log.warning("A stream of events ends early: %s", exc.message)


def _bytes(event: StoryEvent) -> bytes:
    number = "" if event.seq is None else f"id: {event.seq}\n"
    return f"{number}event: {event.kind}\ndata: {json.dumps(event.data)}\n\n".encode()
