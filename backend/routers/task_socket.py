"""A task's story over a WebSocket."""

import asyncio
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from backend.access import Caller
from backend.errors import BackendError, OriginRefused
from backend.routers.access import Reader
from backend.routers.paths import TaskId
from backend.routers.streaming import event_number
from backend.services.task_story import StoryEvent
from backend.state import BackendState, State

NORMAL, RESTART, INTERNAL_ERROR = 1000, 1012, 1011
"""Close codes of RFC 6455 and its registry."""

router = APIRouter(tags=["tasks"])


async def _from_an_allowed_page(websocket: WebSocket, state: State) -> None:
    """What CORS is for requests: who is no browser says no Origin. Raises OriginRefused."""
    origin = websocket.headers.get("Origin")
    if origin is not None and not {"*", origin} & state.origins:
        raise OriginRefused("This page may not open a WebSocket here (CORS_ORIGINS).")


@router.websocket("/tasks/{task_id}/ws", dependencies=[Depends(_from_an_allowed_page)])
async def socket(
    websocket: WebSocket,
    task_id: TaskId,
    state: State,
    caller: Reader,
    after: Annotated[str, Query(description="The last `id` that the client has.")] = "",
) -> None:
    """The same events as `/tasks/{task_id}/events`: `{"event", "id", "data"}` each."""
    await state.tasks.check(task_id, caller)
    await websocket.accept()
    telling = asyncio.create_task(_tell(websocket, task_id, state, caller, event_number(after)))
    hearing = asyncio.create_task(_hear(websocket))
    try:
        await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        telling.cancel()
        hearing.cancel()
        await asyncio.gather(telling, hearing, return_exceptions=True)


async def _tell(
    websocket: WebSocket, task_id: str, state: BackendState, caller: Caller, after: int
) -> None:
    code = NORMAL
    try:
        async with aclosing(state.story.follow(task_id, caller, after)) as story:
            async for event in story:
                await websocket.send_json(_told(event))
        if state.story.closed:
            code = RESTART
    except BackendError:
        code = INTERNAL_ERROR
    except (WebSocketDisconnect, RuntimeError):
        return  # It has hung up while it was told.
    await websocket.close(code)


def _told(event: StoryEvent | None) -> dict[str, Any]:
    if event is None:
        return {"event": "heartbeat"}
    return {"event": event.kind, "id": event.seq, "data": event.data}


async def _hear(websocket: WebSocket) -> None:
    """What the client says is of no use; that it hangs up is."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
