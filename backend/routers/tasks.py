"""Routes under `/tasks`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from backend.problems import PROBLEMS
from backend.routers.access import Reader, Submitter
from backend.routers.output_file import OutputFile, output_file
from backend.routers.pages import next_page
from backend.routers.streaming import LastEventId, server_sent_events
from backend.schemas.response_task import TaskListResponse, TaskResponse
from backend.state import State
from backend.tasks import TaskFilter, TaskState

router = APIRouter(prefix="/tasks", tags=["tasks"], responses=PROBLEMS)


DOWNLOAD = "Have it saved under a name of its own, instead of shown."


@router.get("")
async def tasks(
    request: Request,
    state: State,
    caller: Reader,
    response: Response,
    status: Annotated[list[TaskState] | None, Query(description="Only these; repeatable.")] = None,
    mode: Annotated[str | None, Query(description="Only of this mode.")] = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Tasks on a page.")] = 20,
) -> TaskListResponse:
    """Tasks, those that came last first, without their images."""
    wanted = TaskFilter(states=tuple(dict.fromkeys(status or ())), mode=mode)
    page = await state.tasks.newest(wanted, cursor, limit, caller)
    response.headers.update(next_page(request, page.next_cursor))
    return page


@router.get("/{task_id}")
async def task(task_id: str, state: State, caller: Reader) -> TaskResponse:
    """One task as it stands; with its image once it is done."""
    return await state.tasks.show(task_id, caller)


@router.delete("/{task_id}")
async def cancel(task_id: str, state: State, caller: Submitter) -> TaskResponse:
    """Cancel a task, queued or running; one that has ended stays as it is."""
    return await state.tasks.cancel(task_id, caller)


@router.post("/{task_id}/retry")
async def retry(task_id: str, state: State, caller: Submitter) -> TaskResponse:
    """Run a failed or cancelled task once more; one that waits or runs stays as it is."""
    await state.retry.retry(task_id, caller)
    return await state.tasks.show(task_id, caller)


@router.get("/{task_id}/events", response_class=StreamingResponse)
async def events(
    task_id: str, state: State, caller: Reader, after: LastEventId
) -> StreamingResponse:
    """Its story as server-sent events, until it ends; resumes with `Last-Event-ID`."""
    await state.tasks.show(task_id, caller, with_image=False)
    return server_sent_events(state.story.follow(task_id, caller, after))


@router.get("/{task_id}/outputs/{number}", response_class=OutputFile)
async def output(
    task_id: str,
    number: int,
    state: State,
    caller: Reader,
    download: Annotated[bool, Query(description=DOWNLOAD)] = False,
) -> Response:
    """One file that the task made, from 0; with ETag and ranges."""
    file, made = await state.tasks.output(task_id, number, caller)
    return output_file(file, made.content_type, made.download_name(task_id) if download else None)
