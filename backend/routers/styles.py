"""`GET /styles`."""

from fastapi import APIRouter

from backend.problem_docs import GUARDED, problems
from backend.routers.access import Reader
from backend.schemas.response_style import StylesResponse
from backend.state import State

router = APIRouter(tags=["modes"])


@router.get("/styles", responses=problems(*GUARDED))
async def styles(state: State, _: Reader) -> StylesResponse:
    """The named prompt templates that a request's `style` can name."""
    return StylesResponse.of(state.styles)
