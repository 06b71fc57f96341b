"""`GET /workflows`."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from gpu_server.errors import InvalidWorkflowName, WorkflowNotFound
from gpu_server.problem_docs import SIGNED, problems
from gpu_server.schemas.catalogue import Catalogue, CatalogueEntry
from gpu_server.state import State

router = APIRouter(prefix="/workflows", tags=["workflows"])

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    **problems(*SIGNED),
    304: {"description": "The catalogue is as it was"},
}


@router.get("", response_model=Catalogue, responses=NOT_MODIFIED)
async def workflows(
    state: State,
    response: Response,
    refresh: Annotated[bool, Query(description="Ask ComfyUI anew.")] = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Catalogue | Response:
    """What can be run here, each with the JSON Schema of its parameters.

    `refresh` asks ComfyUI anew what nodes and models it has.
    """
    if refresh:
        await state.catalogue.refresh()
    etag = f'"{await state.catalogue.version()}"'
    if etag == if_none_match:
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return await state.catalogue.read()


@router.get("/{name}", responses=problems(WorkflowNotFound, InvalidWorkflowName, *SIGNED))
async def workflow(
    name: Annotated[str, Path(description="Of its file, without `.json`.")], state: State
) -> CatalogueEntry:
    """One workflow: its parameters, its outputs, and what it lacks on this ComfyUI."""
    return await state.catalogue.read_one(name)
