"""`GET /queue`."""

from fastapi import APIRouter

from backend.problem_docs import GUARDED, problems
from backend.routers.access import Reader
from backend.schemas.response_queue import QueueResponse
from backend.state import State

router = APIRouter(tags=["tasks"])


@router.get("/queue", responses=problems(*GUARDED))
async def queue(state: State, _: Reader) -> QueueResponse:
    """How many tasks wait and how many run, everybody's together."""
    return await state.tasks.queue()
