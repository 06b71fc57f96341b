"""`POST /generate`."""

from fastapi import APIRouter, Request

from gpu_server.problem_docs import RUNNING, SIGNED, problems
from gpu_server.routers.body_route import BodyRoute
from gpu_server.routers.hangup import while_connected
from gpu_server.schemas.generate_request import GenerateRequest
from gpu_server.schemas.generate_response import GenerateResponse
from gpu_server.state import State

router = APIRouter(tags=["generate"], route_class=BodyRoute)


@router.post("/generate", responses=problems(*RUNNING, *SIGNED, body=True))
async def generate(body: GenerateRequest, state: State, request: Request) -> GenerateResponse:
    """Run a workflow, wait for it, and answer with its first image."""
    return await while_connected(request, state.generation.generate(body))
