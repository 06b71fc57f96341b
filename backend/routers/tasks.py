"""Routes under `/tasks`."""

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from backend.problems import PROBLEMS
from backend.routers.access import Reader, Submitter
from backend.routers.output_file import OutputFile, output_file
from backend.routers.streaming import LastEventId, server_sent_events
from backend.schemas.response_task import TaskResponse
from backend.state import State

router = APIRouter(prefix="/tasks", tags=["tasks"], responses=PROBLEMS)


@router.get("/{task_id}")
async def task(task_id: str, state: State, caller: Reader) -> TaskResponse:
    """One task as it stands; with its image once it is done."""
    return await state.tasks.show(task_id, caller)


@router.delete("/{task_id}")
async def cancel(task_id: str, state: State, caller: Submitter) -> TaskResponse:
    """Cancel a task, queued or running; one that has ended stays as it is."""
    return await state.tasks.cancel(task_id, caller)


@router.get("/{task_id}/events", response_class=StreamingResponse)
async def events(
    task_id: str, state: State, caller: Reader, after: LastEventId
) -> StreamingResponse:
    """Its story as server-sent events, until it ends; resumes with `Last-Event-ID`."""
    await state.tasks.show(task_id, caller, with_image=False)
    return server_sent_events(state.story.follow(task_id, caller, after))


@router.get("/{task_id}/outputs/{number}", response_class=OutputFile)
async def output(task_id: str, number: int, state: State, caller: Reader) -> Response:
    """One file that the task made, from 0; with ETag and ranges."""
    file, made = await state.tasks.output(task_id, number, caller)
    return output_file(file, made.content_type)
