"""Routes under `/tasks`."""

from fastapi import APIRouter

from backend.problems import PROBLEMS
from backend.routers.output_file import OutputFile, output_file
from backend.schemas.response_task import TaskResponse
from backend.state import State

router = APIRouter(prefix="/tasks", tags=["tasks"], responses=PROBLEMS)


@router.get("/{task_id}")
async def task(task_id: str, state: State) -> TaskResponse:
    """One task as it stands; with its image once it is done."""
    return await state.tasks.show(task_id)


@router.delete("/{task_id}")
async def cancel(task_id: str, state: State) -> TaskResponse:
    """Cancel a task, queued or running; one that has ended stays as it is."""
    return await state.tasks.cancel(task_id)


@router.get("/{task_id}/outputs/{number}", response_class=OutputFile)
async def output(task_id: str, number: int, state: State) -> OutputFile:
    """One file that the task made, from 0; with ETag and ranges."""
    path, made = await state.tasks.output(task_id, number)
    return output_file(path, made.content_type)
