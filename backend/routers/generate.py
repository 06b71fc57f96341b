"""`POST /generate`."""

from fastapi import APIRouter, Response

from backend.problems import PROBLEMS
from backend.routers.access import Submitter
from backend.routers.prefer import PreferredWait
from backend.routers.wishes import StatedWishes
from backend.schemas.request_generate import GenerateRequest
from backend.schemas.response_generate import GenerateResponse
from backend.schemas.response_task import TaskResponse
from backend.state import State

router = APIRouter(tags=["generate"], responses=PROBLEMS)


@router.post(
    "/generate",
    responses={
        202: {"model": TaskResponse, "description": "Still under way when the wait was over"}
    },
)
async def generate(
    request: GenerateRequest,
    state: State,
    caller: Submitter,
    response: Response,
    wait: PreferredWait,
    wishes: StatedWishes,
) -> GenerateResponse | TaskResponse:
    """Queue a generation. With `Prefer: wait=N`, answer with the task once it has ended."""
    task, is_new = await state.generation.submit(request, wishes, caller)
    if not is_new:
        response.headers["Idempotent-Replayed"] = "true"
    if wait is None:
        return GenerateResponse(task_id=task.id, status="queued")
    shown = await state.tasks.wait(task.id, wait, caller)
    response.status_code = 200 if shown.status.ended else 202
    response.headers["Preference-Applied"] = f"wait={wait}"
    response.headers["Location"] = f"/tasks/{task.id}"
    return shown
