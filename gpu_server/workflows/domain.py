"""What values a parameter takes: as /object_info says of its inputs, else as its literal shows."""

import re
from dataclasses import dataclass, replace
from typing import Any

from gpu_server.workflows.bounds import is_number
from gpu_server.workflows.descriptions import description, plain_name
from gpu_server.workflows.graph import Graph, is_link, node_title
from gpu_server.workflows.object_info import COMBO, InputInfo, ObjectInfo
from gpu_server.workflows.parameters import (
    SEED_NAME,
    Parameter,
    ParameterType,
    Source,
    Target,
)

SEED_MAXIMUM = 2**64 - 1
FRACTIONS = frozenset({"cfg", "denoise", "guidance", "lora_strength"})
"""Parameters that are no whole numbers, though a graph may hold one."""

TYPES = {
    "INT": ParameterType.INTEGER,
    "FLOAT": ParameterType.NUMBER,
    "BOOLEAN": ParameterType.BOOLEAN,
    "STRING": ParameterType.STRING,
}
IMAGE_LOADER = re.compile(r"load.*(image|mask)|(image|mask).*load", re.I)
IMAGE_INPUT = re.compile(r"([a-z]+_)*(image|mask|picture|photo)(_file|_?\d+)?", re.I)
IMAGE_FILE = re.compile(r"[^\W_]\.(png|jpe?g|webp|bmp|gif|tiff?)( \[\w+\])?$", re.I)
ADDRESS = re.compile(r"https?://", re.I)


@dataclass(frozen=True)
class Found:
    """A parameter's name and where it goes; `asked` are the inputs that the value ends up in."""

    name: str
    targets: tuple[Target, ...]
    asked: tuple[Target, ...] = ()
    mask: bool = False


def is_image_input(graph: Graph, target: Target, object_info: ObjectInfo | None) -> bool:
    """Whether the input is the name of an image file that a client can upload."""
    if info := _info(graph, target, object_info):
        return info.image_upload
    node = graph[target.node]
    value = node["inputs"].get(target.input)
    if not isinstance(value, str) or ADDRESS.match(value):
        return False
    loads = IMAGE_LOADER.search(node["class_type"]) or IMAGE_FILE.search(value)
    return bool(loads and IMAGE_INPUT.fullmatch(target.input))


def parameter_of(
    found: Found, graph: Graph, object_info: ObjectInfo | None, source: Source
) -> Parameter:
    """The parameter with its type, bounds, choices and default."""
    target = found.targets[0]
    infos = [
        info for each in (*found.targets, *found.asked) if (info := _info(graph, each, object_info))
    ]
    literal = graph[target.node]["inputs"].get(target.input)
    default = None if is_link(literal) else literal
    image = is_image_input(graph, target, object_info)
    kind = ParameterType.IMAGE if image else _type(found.name, default, infos)
    options = next((info.options for info in infos if info.options is not None), None)
    tooltip = next((info.tooltip for info in infos if info.tooltip), None)
    parameter = Parameter(
        name=found.name,
        type=kind,
        targets=found.targets,
        title=_own_title(graph, target.node, object_info),
        description=(source is Source.GRAPH and description(found.name)) or tooltip,
        default=default,
        enum=None if any(info.upload for info in infos) else options,
        mask=found.mask,
        required=image and options is not None and default not in options,
        source=source,
    )
    numeric = kind in (ParameterType.INTEGER, ParameterType.NUMBER) and options is None
    return _numeric(parameter, infos) if numeric else parameter


def _info(graph: Graph, target: Target, object_info: ObjectInfo | None) -> InputInfo | None:
    node = object_info.node(graph[target.node]["class_type"]) if object_info else None
    return node.inputs.get(target.input) if node else None


def _type(name: str, literal: Any, infos: list[InputInfo]) -> ParameterType:
    for info in infos:
        if info.type in TYPES:
            return TYPES[info.type]
        if info.type == COMBO and info.options:
            return _type_of(info.options[0])
    kind = _type_of(literal)
    if kind is ParameterType.INTEGER and plain_name(name) in FRACTIONS:
        return ParameterType.NUMBER
    return kind


def _type_of(literal: Any) -> ParameterType:
    if isinstance(literal, bool):
        return ParameterType.BOOLEAN
    if isinstance(literal, int):
        return ParameterType.INTEGER
    return ParameterType.NUMBER if isinstance(literal, float) else ParameterType.STRING


def _numeric(parameter: Parameter, infos: list[InputInfo]) -> Parameter:
    """With the narrowest bounds: a value passes every input on its way."""
    lowest = [info.minimum for info in infos if info.minimum is not None]
    highest = [info.maximum for info in infos if info.maximum is not None]
    if parameter.type is ParameterType.INTEGER and SEED_NAME.fullmatch(parameter.name):
        lowest, highest = [0, *lowest], [SEED_MAXIMUM, *highest]
    return replace(
        parameter,
        # Some graphs hold the words of a template where a number belongs.
        default=parameter.default if is_number(parameter.default) else None,
        minimum=max(lowest, default=None),
        maximum=min(highest, default=None),
        step=next((info.step for info in infos if info.step and not _is_one(info)), None),
    )


def _is_one(info: InputInfo) -> bool:
    return info.type == "INT" and info.step == 1


def _own_title(graph: Graph, node: str, object_info: ObjectInfo | None) -> str | None:
    """The title that the author gave the node: not its class, nor what the editor calls it."""
    title, class_type = node_title(graph, node), graph[node]["class_type"]
    info = object_info.node(class_type) if object_info else None
    known = (class_type, info.display_name if info else None)
    return None if title in known or title.startswith("$") else title
