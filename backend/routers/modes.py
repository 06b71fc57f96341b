"""Routes under `/modes`."""

from fastapi import APIRouter

from backend.errors import ModeNotFound
from backend.problem_docs import GUARDED, problems
from backend.routers.access import Reader
from backend.routers.paths import Mode
from backend.schemas.response_mode import ModeResponse, ModesResponse
from backend.state import State

router = APIRouter(prefix="/modes", tags=["modes"])


@router.get("", responses=problems(*GUARDED))
async def modes(state: State, _: Reader) -> ModesResponse:
    """What can be asked for, each with the JSON Schema of its parameters."""
    return state.catalogue.show()


@router.get("/{mode}", responses=problems(ModeNotFound, *GUARDED))
async def mode(mode: Mode, state: State, _: Reader) -> ModeResponse:
    """One mode."""
    return state.catalogue.show_one(mode)
