"""The file `{name}.params.json` beside a workflow: what its author says of its parameters."""

import json
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from gpu_server.errors import InvalidParameter, WorkflowInvalid
from gpu_server.workflows.domain import Found, parameter_of
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.parameters import (
    Parameter,
    Parameters,
    ParameterType,
    Source,
    Target,
)


class SidecarParameter(BaseModel):
    """One parameter: a node's input, or more of what is known of a parameter by that name."""

    model_config = ConfigDict(extra="forbid")

    node: str | None = None
    input: str | None = None
    type: ParameterType | None = None
    title: str | None = None
    description: str | None = None
    default: Any = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    multiple_of: int | float | None = Field(None, gt=0)
    enum: list[Any] | None = None
    mask: bool = False
    required: bool = False

    @model_validator(mode="after")
    def node_and_input_go_together(self) -> "SidecarParameter":
        """An input needs its node, and a node does not say which of its inputs is meant."""
        if (self.node is None) != (self.input is None):
            raise PydanticCustomError("target", "needs both node and input, or neither")
        return self


class Sidecar(BaseModel):
    """The whole file. `only` keeps these parameters, in this order, and hides all others."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = None
    description: str | None = None
    parameters: dict[str, SidecarParameter] = Field(default_factory=dict)
    only: list[str] | None = None
    output: str | list[str] | None = None
    timeout: float | None = Field(None, gt=0)

    @property
    def output_nodes(self) -> tuple[str, ...] | None:
        """The nodes whose files are the result, where the author chose."""
        if self.output is None:
            return None
        return (self.output,) if isinstance(self.output, str) else tuple(self.output)


def parse_sidecar(text: str, source: str) -> Sidecar:
    """Raises WorkflowInvalid, naming `source`, the entry and what is wrong with it."""
    try:
        return Sidecar.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WorkflowInvalid(f"{source}: {where or 'the file'}: {first['msg']}.") from exc


def sidecar_parameters(
    sidecar: Sidecar,
    graph: Graph,
    source: str,
    known: Parameters | None = None,
    object_info: ObjectInfo | None = None,
) -> dict[str, Parameter]:
    """The sidecar's parameters, each with the graph's own value as its default.

    Raises WorkflowInvalid where one points at a node or an input that the graph lacks, or refines
    a parameter that is not `known`.
    """
    return {
        name: _parameter(name, entry, graph, f"{source}: parameters.{name}", known, object_info)
        for name, entry in sidecar.parameters.items()
    }


def kept(parameters: Parameters, sidecar: Sidecar, source: str) -> dict[str, Parameter]:
    """Those that `only` names. Raises WorkflowInvalid where it names others."""
    if sidecar.only is None:
        return dict(parameters)
    for name in sidecar.only:
        if name not in parameters:
            raise WorkflowInvalid(f"{source}: only: {_no_parameter(name, parameters)}")
    return {name: parameters[name] for name in sidecar.only}


def _parameter(
    name: str,
    entry: SidecarParameter,
    graph: Graph,
    where: str,
    known: Parameters | None,
    object_info: ObjectInfo | None,
) -> Parameter:
    if entry.node is not None and entry.input is not None:
        target = _checked(Target(entry.node, entry.input), graph, object_info, where)
        found = Found(name, (target,), mask=entry.mask)
        base = parameter_of(found, graph, object_info, Source.SIDECAR)
    elif known and name in known:
        base = known[name]
    else:
        raise WorkflowInvalid(
            f"{where} names no node and input, and {_no_parameter(name, known or {})}"
        )
    return _refined(base, entry, where)


def _checked(target: Target, graph: Graph, object_info: ObjectInfo | None, where: str) -> Target:
    if target.node not in graph:
        raise WorkflowInvalid(f"{where} names node {target.node!r}, not there.")
    inputs = graph[target.node]["inputs"]
    info = object_info.node(graph[target.node]["class_type"]) if object_info else None
    if target.input not in inputs and target.input not in (info.inputs if info else ()):
        raise WorkflowInvalid(
            f"{where} names input {target.input!r} of node {target.node}, "
            f"which has {', '.join(inputs) or 'none'}."
        )
    return target


def _refined(base: Parameter, entry: SidecarParameter, where: str) -> Parameter:
    said = {key: getattr(entry, key) for key in entry.model_fields_set - {"node", "input"}}
    if entry.enum is not None:
        said["enum"] = tuple(entry.enum)
    parameter = replace(base, **said, source=Source.SIDECAR)
    if entry.default is None:
        return replace(parameter, default=base.default)
    try:
        return replace(parameter, default=parameter.check(entry.default))
    except InvalidParameter as exc:
        raise WorkflowInvalid(f"{where}.default: {exc.message}") from exc


def _no_parameter(name: str, known: Parameters) -> str:
    return f"there is no parameter {name!r}. There are: {', '.join(known) or 'none'}."


def draft(name: str, parameters: Parameters) -> str:
    """A sidecar that changes nothing yet, for an author to edit."""
    document = {
        "title": name.replace("_", " ").capitalize(),
        "description": "",
        "only": [*parameters],
        "parameters": {name: _drafted(parameter) for name, parameter in parameters.items()},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _drafted(parameter: Parameter) -> dict[str, Any]:
    fields = {
        "title": parameter.title,
        "description": parameter.description or "",
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
    }
    return {key: value for key, value in fields.items() if value is not None}
