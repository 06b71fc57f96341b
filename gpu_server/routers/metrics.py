"""`GET /metrics`."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from gpu_server.problem_docs import problems
from gpu_server.state import State

router = APIRouter(tags=["metrics"])

EXPOSITION: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus' text format, or OpenMetrics where `Accept` asks for it.",
        "content": {
            kind: {"schema": {"type": "string"}}
            for kind in ("text/plain", "application/openmetrics-text")
        },
    }
}


@router.get("/metrics", response_class=Response, responses=problems() | EXPOSITION)
async def metrics(state: State, accept: Annotated[str, Header()] = "") -> Response:
    """What is counted, for Prometheus; for everybody, as it says nothing of what is made."""
    body, content_type = await state.scrape.read(accept)
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
