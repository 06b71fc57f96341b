"""`GET /health`."""

from fastapi import APIRouter, Response

from gpu_server.schemas.health_response import HealthResponse
from gpu_server.state import State

router = APIRouter(tags=["health"])


@router.get("/health", responses={503: {"model": HealthResponse, "description": "Unhealthy"}})
async def health(state: State, response: Response) -> HealthResponse:
    """Whether this service works, and whether ComfyUI answers."""
    report = await state.health.check()
    response.status_code = 503 if report.status == "unhealthy" else 200
    return report
