"""`GET /tasks/{task_id}`."""

from fastapi import APIRouter

from backend.problems import PROBLEMS
from backend.schemas.response_task import TaskResponse
from backend.state import State

router = APIRouter(tags=["tasks"], responses=PROBLEMS)


@router.get("/tasks/{task_id}")
async def task(task_id: str, state: State) -> TaskResponse:
    """One task as it stands; with its image once it is done."""
    return await state.tasks.show(task_id)
