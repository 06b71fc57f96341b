"""The file `{name}.params.json` beside a workflow: what its author says of its parameters."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.parameters import Parameter, ParameterType, Target


class SidecarParameter(BaseModel):
    """One parameter: where it goes, and what values it takes."""

    model_config = ConfigDict(extra="forbid")

    node: str
    input: str
    type: ParameterType
    title: str | None = None
    description: str | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    multiple_of: int | float | None = None
    enum: list[Any] | None = None


class Sidecar(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = None
    description: str | None = None
    parameters: dict[str, SidecarParameter] = Field(default_factory=dict)


def parse_sidecar(text: str, source: str) -> Sidecar:
    """Raises WorkflowInvalid, naming `source`, the entry and what is wrong with it."""
    try:
        return Sidecar.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WorkflowInvalid(f"{source}: {where or 'the file'}: {first['msg']}.") from exc


def sidecar_parameters(sidecar: Sidecar, graph: Graph, source: str) -> dict[str, Parameter]:
    """The sidecar's parameters, each with the graph's own value as its default.

    Raises WorkflowInvalid where one points at a node or an input that the graph lacks.
    """
    return {
        name: _parameter(name, entry, graph, source) for name, entry in sidecar.parameters.items()
    }


def _parameter(name: str, entry: SidecarParameter, graph: Graph, source: str) -> Parameter:
    if entry.node not in graph:
        raise WorkflowInvalid(f"{source}: parameters.{name} names node {entry.node!r}, not there.")
    inputs = graph[entry.node]["inputs"]
    if entry.input not in inputs:
        raise WorkflowInvalid(
            f"{source}: parameters.{name} names input {entry.input!r} of node {entry.node}, "
            f"which has {', '.join(inputs) or 'none'}."
        )
    return Parameter(
        name=name,
        type=entry.type,
        targets=(Target(entry.node, entry.input),),
        title=entry.title,
        description=entry.description,
        default=inputs[entry.input],
        minimum=entry.minimum,
        maximum=entry.maximum,
        multiple_of=entry.multiple_of,
        enum=tuple(entry.enum) if entry.enum is not None else None,
    )
