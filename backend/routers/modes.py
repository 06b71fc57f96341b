"""Routes under `/modes`."""

from fastapi import APIRouter

from backend.problems import PROBLEMS
from backend.routers.access import Reader
from backend.schemas.response_mode import ModeResponse, ModesResponse
from backend.state import State

router = APIRouter(prefix="/modes", tags=["modes"], responses=PROBLEMS)


@router.get("")
async def modes(state: State, _: Reader) -> ModesResponse:
    """What can be asked for, each with the JSON Schema of its parameters."""
    return state.catalogue.show()


@router.get("/{mode}")
async def mode(mode: str, state: State, _: Reader) -> ModeResponse:
    """One mode."""
    return state.catalogue.show_one(mode)
