"""`GET /metrics`."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from backend.problem_docs import GUARDED, problems
from backend.routers.access import Monitor
from backend.state import State

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


@router.get("/metrics", response_class=Response, responses=problems(*GUARDED) | EXPOSITION)
async def metrics(state: State, caller: Monitor, accept: Annotated[str, Header()] = "") -> Response:
    """What is counted, for Prometheus. With keys on, a key needs the scope `metrics`.

    `gateway_store_…` is of the whole store: where several backends share it, each tells the same.
    """
    body, content_type = await state.scrape.read(accept)
    return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
