"""`POST /generate`."""

from fastapi import APIRouter, Request, Response

from backend.problems import PROBLEMS
from backend.routers.access import Submitter
from backend.routers.hanging_up import nobody_there, while_connected
from backend.routers.prefer import PreferredWait
from backend.routers.wishes import StatedWishes
from backend.schemas.request_generate import GenerateRequest
from backend.schemas.response_generate import GenerateResponse
from backend.schemas.response_task import TaskResponse
from backend.state import State

router = APIRouter(tags=["generate"], responses=PROBLEMS)


@router.post(
    "/generate",
    response_model=GenerateResponse | TaskResponse,
    responses={
        202: {"model": TaskResponse, "description": "Still under way when the wait was over"}
    },
)
async def generate(
    body: GenerateRequest,
    request: Request,
    state: State,
    caller: Submitter,
    response: Response,
    wait: PreferredWait,
    wishes: StatedWishes,
) -> GenerateResponse | TaskResponse | Response:
    """Queue a generation. With `Prefer: wait=N`, answer with the task once it has ended."""
    task, is_new = await state.generation.submit(body, wishes, caller)
    if not is_new:
        response.headers["Idempotent-Replayed"] = "true"
    if wait is None:
        return GenerateResponse(task_id=task.id, status="queued")
    shown = await while_connected(request, state.tasks.wait(task.id, wait, caller))
    if shown is None:
        return nobody_there()
    response.status_code = 200 if shown.status.ended else 202
    response.headers["Preference-Applied"] = f"wait={wait}"
    response.headers["Location"] = f"/tasks/{task.id}"
    return shown
