"""What the GPU service says it can run: its `GET /workflows`."""

from typing import Any, Literal

from pydantic import BaseModel


class CatalogueEntry(BaseModel):
    """One workflow."""

    name: str
    title: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of `params`; none where the workflow is broken."""
    error: str | None = None


class Catalogue(BaseModel):
    """All workflows of a GPU service, and its engine."""

    engine: Literal["stub", "comfyui"]
    workflows: list[CatalogueEntry]
