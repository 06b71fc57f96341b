"""Routes under `/tasks`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from backend.errors import (
    ConcurrentLimit,
    InvalidInput,
    OutputNotFound,
    QueueFull,
    RangeNotSatisfiable,
    StorageFull,
    TaskAlreadyDone,
    TaskNotFound,
)
from backend.problem_docs import GUARDED, problems
from backend.routers.access import Reader, Submitter
from backend.routers.output_file import SAFE, OutputFile, output_file
from backend.routers.pages import Cursor, Limit, next_page
from backend.routers.paths import Number, TaskId
from backend.routers.streaming import EVENT, LastEventId, server_sent_events
from backend.schemas.response_task import TaskListResponse, TaskResponse
from backend.services.thumbnails import CONTENT_TYPE
from backend.state import State
from backend.tasks import TaskFilter, TaskState

router = APIRouter(prefix="/tasks", tags=["tasks"])

OF_A_TASK = problems(TaskNotFound, *GUARDED)
STORY: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; changes of state have an id.",
        "content": {
            "text/event-stream": {
                "schema": EVENT,
                "example": 'id: 1\nevent: queued\ndata: {"task_id": "…", "status": "queued"}\n\n',
            }
        },
    }
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, of the type that the task's `outputs` say.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "ETag": {"schema": {"type": "string"}},
            "Content-Disposition": {"schema": {"type": "string"}},
        },
    },
    206: {
        "description": "A part of it.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The client has it already."},
}
CONDITIONS = [
    {
        "name": name,
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": told,
    }
    for name, told in (
        ("Range", "One range of bytes (RFC 9110)."),
        ("If-Range", "An ETag or a date: the range is of this version, or all is sent."),
        ("If-None-Match", "ETags that the client has: 304 instead of the file."),
    )
]
"""What the file itself reads."""
SMALL: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A WebP image, 512 pixels wide or high at most.",
        "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
FOR_EVER = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "Vary": "Authorization, X-API-Key",
}
REMOVE = "Have it forgotten too, with its files; the answer is how it was."
DOWNLOAD = "Have it saved under a name of its own, instead of shown."


@router.get("", responses=problems(InvalidInput, *GUARDED))
async def tasks(
    request: Request,
    state: State,
    caller: Reader,
    response: Response,
    status: Annotated[list[TaskState] | None, Query(description="Only these; repeatable.")] = None,
    mode: Annotated[str | None, Query(description="Only of this mode.")] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> TaskListResponse:
    """Tasks, those that came last first, without their images."""
    wanted = TaskFilter(states=tuple(dict.fromkeys(status or ())), mode=mode)
    page = await state.tasks.newest(wanted, cursor, limit, caller)
    response.headers.update(next_page(request, page.next_cursor))
    return page


@router.get("/{task_id}", responses=OF_A_TASK)
async def task(task_id: TaskId, state: State, caller: Reader) -> TaskResponse:
    """One task as it stands; with its image once it is done."""
    return await state.tasks.show(task_id, caller)


@router.delete("/{task_id}", responses=OF_A_TASK)
async def cancel(
    task_id: TaskId,
    state: State,
    caller: Submitter,
    remove: Annotated[bool, Query(description=REMOVE)] = False,
) -> TaskResponse:
    """Cancel a task, queued or running; one that has ended stays as it is, unless `remove`."""
    end = state.tasks.remove if remove else state.tasks.cancel
    return await end(task_id, caller)


@router.post(
    "/{task_id}/retry",
    responses=problems(
        TaskNotFound, TaskAlreadyDone, ConcurrentLimit, QueueFull, StorageFull, *GUARDED
    ),
)
async def retry(task_id: TaskId, state: State, caller: Submitter) -> TaskResponse:
    """Run a failed or cancelled task once more; one that waits or runs stays as it is."""
    await state.retry.retry(task_id, caller)
    return await state.tasks.show(task_id, caller)


@router.get("/{task_id}/events", response_class=StreamingResponse, responses=OF_A_TASK | STORY)
async def events(
    task_id: TaskId, state: State, caller: Reader, after: LastEventId
) -> StreamingResponse:
    """Its story as server-sent events, until it ends; resumes with `Last-Event-ID`."""
    await state.tasks.check(task_id, caller)
    return server_sent_events(state.story.follow(task_id, caller, after))


@router.head("/{task_id}/outputs/{number}", include_in_schema=False)
@router.get(
    "/{task_id}/outputs/{number}",
    response_class=OutputFile,
    responses=problems(TaskNotFound, OutputNotFound, RangeNotSatisfiable, *GUARDED) | FILE,
    openapi_extra={"parameters": CONDITIONS},
)
async def output(
    task_id: TaskId,
    number: Number,
    state: State,
    caller: Reader,
    download: Annotated[bool, Query(description=DOWNLOAD)] = False,
) -> Response:
    """One file that the task made, from 0; with ETag and ranges."""
    file, made = await state.tasks.output(task_id, number, caller)
    return output_file(file, made.content_type, made.download_name(task_id) if download else None)


@router.get(
    "/{task_id}/outputs/{number}/thumbnail",
    response_class=Response,
    responses=problems(TaskNotFound, OutputNotFound, *GUARDED) | SMALL,
)
async def thumbnail(task_id: TaskId, number: Number, state: State, caller: Reader) -> Response:
    """A small picture of an image that the task made."""
    small = await state.thumbnails.of(task_id, number, caller)
    return Response(small, media_type=CONTENT_TYPE, headers=SAFE | FOR_EVER)
