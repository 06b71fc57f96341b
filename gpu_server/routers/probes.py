"""`GET /livez` and `GET /readyz`: what a load balancer or an orchestrator asks."""

from fastapi import APIRouter, Depends, Response

from gpu_server.schemas.probe_response import LivenessResponse, ReadinessResponse
from gpu_server.state import State


# Async, though it waits for nothing: FastAPI sends all others to a thread.
async def _never_kept(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(tags=["probes"], dependencies=[Depends(_never_kept)])

DEAD: dict[int | str, dict[str, object]] = {
    503: {"model": LivenessResponse, "description": "To be started again, and why"}
}
NOT_READY: dict[int | str, dict[str, object]] = {
    503: {"model": ReadinessResponse, "description": "Not to be sent requests, and why"}
}


@router.head("/livez", include_in_schema=False)
@router.get("/livez", responses=DEAD)
async def livez(state: State, response: Response) -> LivenessResponse:
    """The process answers, and all that works in it lives: there is no need to start it again."""
    liveness = state.liveness.look()
    if liveness.reasons:
        response.status_code = 503
    return liveness


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=NOT_READY)
async def readyz(state: State, response: Response) -> ReadinessResponse:
    """Whether it runs workflows: 503 where it stops, or nothing can run."""
    readiness = await state.readiness.look()
    if readiness.reasons:
        response.status_code = 503
    return readiness
