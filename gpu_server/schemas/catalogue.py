"""What `GET /workflows` answers."""

from typing import Any, Literal

from pydantic import BaseModel


class CatalogueEntry(BaseModel):
    """One workflow: the JSON Schema of its `params`, or why it cannot run."""

    name: str
    title: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    error: str | None = None


class Catalogue(BaseModel):
    """All workflows, and what runs them."""

    engine: Literal["stub", "comfyui"]
    workflows: list[CatalogueEntry]
