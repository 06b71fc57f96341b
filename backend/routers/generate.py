"""`POST /generate`."""

from typing import Any

from fastapi import APIRouter, Request, Response

from backend.problem_docs import GUARDED, SUBMITTING, problems
from backend.routers.access import Submitter
from backend.routers.body_route import BodyRoute
from backend.routers.hanging_up import nobody_there, while_connected
from backend.routers.prefer import PreferredWait
from backend.routers.wishes import StatedWishes
from backend.schemas.request_generate import GenerateRequest
from backend.schemas.response_generate import GenerateResponse
from backend.schemas.response_task import TaskResponse
from backend.state import State

router = APIRouter(tags=["generate"], route_class=BodyRoute)


TOLD = {
    "Preference-Applied": {"description": "Where it was waited.", "schema": {"type": "string"}},
    "Location": {"description": "Of the task, where it was waited.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {"description": "`true` where the key came before.", "schema": {}},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    **problems(*SUBMITTING, *GUARDED, body=True),
    200: {"description": "Queued; or ended, where it was waited.", "headers": TOLD},
    202: {
        "model": TaskResponse,
        "description": "Still under way when the wait was over",
        "headers": TOLD,
    },
}


@router.post(
    "/generate",
    response_model=GenerateResponse | TaskResponse,
    responses=ANSWERS,
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
    shown = await while_connected(request, state.tasks.wait(task.id, wait.left, caller))
    if shown is None:
        return nobody_there()
    response.status_code = 200 if shown.status.ended else 202
    response.headers["Preference-Applied"] = f"wait={wait.seconds}"
    response.headers["Location"] = f"/tasks/{task.id}"
    return shown
