"""`GET /workflows`."""

from fastapi import APIRouter

from gpu_server.schemas.catalogue import Catalogue
from gpu_server.state import State

router = APIRouter(tags=["workflows"])


@router.get("/workflows")
async def workflows(state: State) -> Catalogue:
    """What can be run here, each with the JSON Schema of its parameters."""
    return await state.catalogue.read()
