"""`POST /generate`."""

from fastapi import APIRouter

from gpu_server.problems import PROBLEMS
from gpu_server.schemas.generate_request import GenerateRequest
from gpu_server.schemas.generate_response import GenerateResponse
from gpu_server.state import State

router = APIRouter(tags=["generate"], responses=PROBLEMS)


@router.post("/generate")
async def generate(request: GenerateRequest, state: State) -> GenerateResponse:
    """Run a workflow, wait for it, and answer with its first image."""
    return await state.generation.generate(request)
