"""A workflow: a graph, the parameters it takes, and what it lacks."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.missing import Missing, missing_from
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.outputs import OutputNode, output_nodes
from gpu_server.workflows.parameters import Parameter, Parameters
from gpu_server.workflows.sidecar import Sidecar, kept, sidecar_parameters
from gpu_server.workflows.titles import titled_parameters
from gpu_server.workflows.tracing.trace import traced_parameters


@dataclass(frozen=True)
class Workflow:
    """One file of the folder, read and checked.

    `output_nodes` are those that the author chose, `timeout` the seconds that a job may take.
    """

    name: str
    graph: Graph
    parameters: dict[str, Parameter]
    title: str | None = None
    description: str | None = None
    outputs: tuple[OutputNode, ...] = ()
    missing: Missing = field(default_factory=Missing)
    timeout: float | None = None
    output_nodes: tuple[str, ...] | None = None

    def schema(self) -> dict[str, Any]:
        """JSON Schema (draft 2020-12) of the object that `params` may be."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: each.schema() for name, each in self.parameters.items()},
            "additionalProperties": False,
        }
        if required := [name for name, each in self.parameters.items() if each.required]:
            schema["required"] = required
        return schema


def build_workflow(
    name: str,
    graph: Graph,
    sidecar: Sidecar,
    object_info: ObjectInfo | None,
    sidecar_source: str,
) -> Workflow:
    """Parameters from the graph, then from its titles, then from the sidecar: later ones win.

    Raises WorkflowInvalid where a title or the sidecar names what is not there.
    """
    found = _overruled(traced_parameters(graph, object_info), titled_parameters(graph, object_info))
    told = sidecar_parameters(sidecar, graph, sidecar_source, found, object_info)
    parameters = kept(_overruled(found, told), sidecar, sidecar_source)
    for node in sidecar.output_nodes or ():
        if node not in graph:
            raise WorkflowInvalid(f"{sidecar_source}: output names node {node!r}, not there.")
    return Workflow(
        name=name,
        graph=_with_defaults(graph, parameters, sidecar),
        parameters=parameters,
        title=sidecar.title,
        description=sidecar.description,
        outputs=output_nodes(graph, object_info),
        missing=missing_from(graph, object_info),
        timeout=sidecar.timeout,
        output_nodes=sidecar.output_nodes,
    )


def _overruled(earlier: Parameters, later: Parameters) -> dict[str, Parameter]:
    """Both, where for the same name and for the same target the later one wins."""
    taken = {target for parameter in later.values() for target in parameter.targets}
    merged: dict[str, Parameter] = {}
    for name, parameter in earlier.items():
        left = tuple(target for target in parameter.targets if target not in taken)
        if name in later:
            merged[name] = later[name]
        elif left:
            merged[name] = replace(parameter, targets=left)
    return {**merged, **later}


def _with_defaults(graph: Graph, parameters: Parameters, sidecar: Sidecar) -> Graph:
    """The graph as it runs where a client says nothing."""
    said = [name for name, entry in sidecar.parameters.items() if entry.default is not None]
    copy = deepcopy(graph)
    for parameter in (parameters[name] for name in said if name in parameters):
        for target in parameter.targets:
            copy[target.node]["inputs"][target.input] = parameter.default
    return copy
