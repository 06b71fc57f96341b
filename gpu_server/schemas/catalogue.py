"""What `GET /workflows` answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class OutputNodeEntry(BaseModel):
    """A node that makes files."""

    model_config = ConfigDict(from_attributes=True)

    node: str
    title: str
    class_type: str
    kind: str


class MissingNodeEntry(BaseModel):
    """A node whose class this ComfyUI does not have, and the nearest that it has."""

    model_config = ConfigDict(from_attributes=True)

    node: str
    title: str
    class_type: str
    nearest: list[str]


class MissingModelEntry(BaseModel):
    """A model file that this ComfyUI does not have, and the nearest that it has."""

    model_config = ConfigDict(from_attributes=True)

    node: str
    title: str
    input: str
    value: str
    nearest: list[str]


class CatalogueEntry(BaseModel):
    """One workflow: the JSON Schema of its `params`, or why it cannot run."""

    name: str
    title: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[OutputNodeEntry] = []
    missing_nodes: list[MissingNodeEntry] = []
    missing_models: list[MissingModelEntry] = []
    timeout: float | None = None
    """Seconds that it may run, where its author says so."""
    error: str | None = None


class Catalogue(BaseModel):
    """All workflows, and what runs them."""

    engine: Literal["stub", "comfyui"]
    workflows: list[CatalogueEntry]
