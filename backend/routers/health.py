"""`GET /health`."""

from fastapi import APIRouter

from backend.schemas.response_health import HealthResponse
from backend.state import State

router = APIRouter(tags=["health"])


@router.get("/health")
async def health(state: State) -> HealthResponse:
    """Whether the backend works, and whether a GPU service answers it."""
    return await state.health.check()
