"""What `GET /modes` answers."""

from typing import Any

from pydantic import BaseModel, Field

from backend.schemas.catalogue import MissingModel, MissingNode, OutputNode


class ModeResponse(BaseModel):
    """One thing that can be asked for with `POST /generate`."""

    mode: str
    workflow: str
    title: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = Field(
        description="JSON Schema of the parameters; `prompt` and images have fields of their own, "
        "all others go into `extra_params`."
    )
    outputs: list[OutputNode]
    missing_nodes: list[MissingNode]
    missing_models: list[MissingModel]
    error: str | None = Field(description="Why it cannot run, where its file is broken.")


class ModesResponse(BaseModel):
    """All modes. `engine` is null while no GPU service has been reached."""

    engine: str | None
    modes: list[ModeResponse]
