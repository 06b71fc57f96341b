"""Parameters by the titles that the author gave nodes in the editor: `$name`, `$name.input`.

`$name!` is one that clients must give, and what follows a colon describes it:
`$subject.text!: What the image shows`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.domain import Found, is_image_input, parameter_of
from gpu_server.workflows.graph import Graph, node_title
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.parameters import Parameter, Source, Target
from gpu_server.workflows.tracing.holders import holder
from gpu_server.workflows.tracing.images import is_mask
from gpu_server.workflows.tracing.vocabulary import NO_VALUE
from gpu_server.workflows.tracing.wiring import Wiring

TITLE = re.compile(
    r"\$(?P<name>[A-Za-z_][\w-]*)(\.(?P<input>[^!:]+?))?(?P<required>!)?\s*"
    r"(:\s*(?P<description>.*))?",
    re.S,
)
MAIN_INPUTS = ("text", "prompt", "value", "string", "image", "seed", "noise_seed", "Value", "Text")


@dataclass(frozen=True)
class _Titled:
    """What one node's title says."""

    node: str
    name: str
    input: str | None
    required: bool
    description: str | None


def titled_parameters(graph: Graph, object_info: ObjectInfo | None) -> dict[str, Parameter]:
    """What clients may set, by name. Nodes of the same name get the same value.

    Raises WorkflowInvalid where a title names an input that its node lacks.
    """
    wiring = Wiring(graph, object_info)
    parameters: dict[str, Parameter] = {}
    for titled in _titled(graph):
        target = _target(wiring, titled)
        if known := parameters.get(titled.name):
            parameters[titled.name] = replace(known, targets=(*known.targets, target))
            continue
        mask = is_image_input(graph, target, object_info) and is_mask(wiring, target.node)
        found = Found(titled.name, (target,), mask=mask)
        parameter = parameter_of(found, graph, object_info, Source.TITLE)
        parameters[titled.name] = replace(
            parameter,
            required=parameter.required or titled.required,
            description=titled.description or parameter.description,
        )
    return parameters


def _titled(graph: Graph) -> Iterator[_Titled]:
    for node in graph:
        if match := TITLE.fullmatch(node_title(graph, node).strip()):
            yield _Titled(
                node=node,
                name=match["name"],
                input=match["input"],
                required=match["required"] is not None,
                description=match["description"] or None,
            )


def _target(wiring: Wiring, titled: _Titled) -> Target:
    node, info = titled.node, wiring.info(titled.node)
    names = [titled.input] if titled.input else _obvious(wiring, titled)
    for name in names:
        if name in wiring.literals(node) or (info and name in info.inputs):
            return Target(node, name)
        if NO_VALUE.fullmatch(name):
            continue
        if target := holder(wiring, node, name, re.compile(re.escape(name)), text=True):
            return target
    what = f"has no input {titled.input!r} to set" if titled.input else "has nothing to set"
    raise WorkflowInvalid(
        f"Node {node} is titled {node_title(wiring.graph, node)!r} and {what}. "
        f"Its inputs: {', '.join(wiring.inputs(node)) or 'none'}."
    )


def _obvious(wiring: Wiring, titled: _Titled) -> list[str]:
    """The inputs that may be meant, the likeliest first; what is linked comes after literals."""
    node, info = titled.node, wiring.info(titled.node)
    literals = [*wiring.literals(node)]
    linked = [link.input for link in wiring.links(node)]
    images = [
        name
        for name in literals
        if is_image_input(wiring.graph, Target(node, name), wiring.object_info)
    ]
    widgets = [each.name for each in info.inputs.values() if each.is_widget] if info else []
    likely = [titled.name, *images, *MAIN_INPUTS]
    return [
        *(name for name in likely if name in literals),
        *(name for name in widgets if name in literals),
        *literals,
        *(name for name in likely if name in linked),
    ]
