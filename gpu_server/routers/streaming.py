"""Events as a stream of `text/event-stream` (the HTML standard's server-sent events)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Header, Response
from fastapi.responses import StreamingResponse

from gpu_server.services.event_log import JobEvent

EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""Of one event."""
EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"
MAX_SECONDS = 3600.0
"""A reader who wants more comes back with Last-Event-ID."""


async def last_event_id(
    last: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> int:
    """The number of the last event that the client has; 0 where it has none."""
    return int(last) if last and last.isascii() and last.isdigit() and len(last) < 16 else 0


LastEventId = Annotated[int, Depends(last_event_id)]


async def wants_events(accept: Annotated[str | None, Header()] = None) -> bool:
    """Whether the client asks for a stream of events."""
    return EVENT_STREAM in (accept or "")


WantsEvents = Annotated[bool, Depends(wants_events)]


def server_sent_events(
    events: AsyncIterator[JobEvent],
    response: Response | None = None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> StreamingResponse:
    """Each event under its name and number; a comment when there is nothing to say.

    Status and headers are those of `response`.
    """
    return StreamingResponse(
        _with_heartbeats(events, heartbeat_seconds),
        status_code=(response and response.status_code) or 200,
        media_type=EVENT_STREAM,
        headers={
            **(response.headers if response else {}),
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )


async def _with_heartbeats(
    events: AsyncIterator[JobEvent], heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + MAX_SECONDS
    following: asyncio.Task[JobEvent] | None = None
    try:
        while loop.time() < ends_at:
            following = following or asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait({following}, timeout=heartbeat_seconds)
            if not done:
                yield HEARTBEAT
                continue
            try:
                event = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield _encoded(event)
    finally:
        if following is not None:
            following.cancel()


async def _next(events: AsyncIterator[JobEvent]) -> JobEvent:
    return await anext(events)


def _encoded(event: JobEvent) -> bytes:
    data = json.dumps(event.data, default=str)
    return f"id: {event.number}\nevent: {event.kind.value}\ndata: {data}\n\n".encode()
