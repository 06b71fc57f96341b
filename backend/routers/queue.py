"""`GET /queue`, and draining it: `POST /drain`, `DELETE /drain`."""

from fastapi import APIRouter

from backend.problem_docs import GUARDED, problems
from backend.routers.access import Admin, Reader
from backend.schemas.response_queue import DrainResponse, QueueResponse
from backend.state import State

router = APIRouter(tags=["queue"])


@router.get("/queue", responses=problems(*GUARDED))
async def queue(state: State, _: Reader) -> QueueResponse:
    """How many tasks wait and how many run, everybody's together."""
    return await state.tasks.queue()


@router.post("/drain", responses=problems(*GUARDED))
async def drain(state: State, caller: Admin) -> DrainResponse:
    """Take nothing more out of the queue, and let what runs end; scope `admin`.

    New tasks are kept and wait. `/readyz` says that this backend is not ready.
    """
    return await state.draining.set(True, caller)


@router.delete("/drain", responses=problems(*GUARDED))
async def resume(state: State, caller: Admin) -> DrainResponse:
    """Go on; scope `admin`."""
    return await state.draining.set(False, caller)
