"""What the GPU service says it can run: its `GET /workflows`."""

from typing import Any, Literal

from pydantic import BaseModel


class OutputNode(BaseModel):
    """A node that makes files."""

    node: str
    title: str
    class_type: str
    kind: str


class MissingNode(BaseModel):
    """A node whose class that ComfyUI does not have, and the nearest that it has."""

    node: str
    title: str
    class_type: str
    nearest: list[str]


class MissingModel(BaseModel):
    """A model file that that ComfyUI does not have, and the nearest that it has."""

    node: str
    title: str
    input: str
    value: str
    nearest: list[str]


class CatalogueEntry(BaseModel):
    """One workflow."""

    name: str
    title: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """JSON Schema of `params`; none where the workflow is broken."""
    outputs: list[OutputNode] = []
    missing_nodes: list[MissingNode] = []
    missing_models: list[MissingModel] = []
    timeout: float | None = None
    """Seconds that it may run, where its author says so."""
    error: str | None = None


class Catalogue(BaseModel):
    """All workflows of a GPU service, and its engine."""

    engine: Literal["stub", "comfyui"]
    workflows: list[CatalogueEntry]
