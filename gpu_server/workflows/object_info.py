"""What ComfyUI says of its node classes: the body of `GET /object_info`.

    {class: {"input": {"required": {name: [type, {…}]}, "optional": {…}}, "output": […], …}}

A list of choices is written `[[…], {…}]` by some nodes and `["COMBO", {"options": […]}]` by others.
Custom nodes write all sorts of things here: what cannot be understood is left out, never raised.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

COMBO = "COMBO"
UPLOADS = ("image_upload", "video_upload", "audio_upload", "file_upload")
WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO})


@dataclass(frozen=True)
class InputInfo:
    """One input of a node class. `options` is None where any value goes."""

    name: str
    type: str
    required: bool = True
    default: Any = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    step: int | float | None = None
    options: tuple[Any, ...] | None = None
    multiline: bool = False
    image_upload: bool = False
    upload: bool = False
    tooltip: str | None = None

    @property
    def is_widget(self) -> bool:
        """Whether the value is typed in at the node, and not only linked to it."""
        return self.type in WIDGETS


@dataclass(frozen=True)
class NodeInfo:
    """One node class; `outputs` are types, `output_node` is whether it makes a graph run."""

    class_type: str
    display_name: str
    inputs: Mapping[str, InputInfo]
    outputs: tuple[str, ...]
    output_node: bool
    output_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectInfo:
    """Every node class that one ComfyUI has."""

    nodes: Mapping[str, NodeInfo]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "ObjectInfo":
        """Never raises: a class that says nothing usable of itself is known by its name alone."""
        return cls({name: _node(name, _mapping(entry)) for name, entry in _mapping(body).items()})

    def node(self, class_type: str) -> NodeInfo | None:
        """The class, or None where this ComfyUI does not have it."""
        return self.nodes.get(class_type)

    @cached_property
    def classes(self) -> frozenset[str]:
        """The names of all classes."""
        return frozenset(self.nodes)


def _node(class_type: str, entry: Mapping[str, Any]) -> NodeInfo:
    return NodeInfo(
        class_type=class_type,
        display_name=str(entry.get("display_name") or class_type),
        inputs={each.name: each for each in _inputs(_mapping(entry.get("input")))},
        outputs=tuple(_type_name(each) for each in _list(entry.get("output"))),
        output_node=entry.get("output_node") is True,
        output_names=tuple(str(each) for each in _list(entry.get("output_name"))),
    )


def _inputs(sections: Mapping[str, Any]) -> Iterator[InputInfo]:
    for section in ("required", "optional"):
        for name, spec in _mapping(sections.get(section)).items():
            if parts := _list(spec) or ([spec] if isinstance(spec, str) else []):
                yield _input(name, parts, section == "required")


def _input(name: str, parts: list[Any], required: bool) -> InputInfo:
    more = _mapping(parts[1]) if len(parts) > 1 else {}
    return InputInfo(
        name=name,
        type=_type_name(parts[0]),
        required=required,
        default=more.get("default"),
        minimum=_number(more.get("min")),
        maximum=_number(more.get("max")),
        step=_number(more.get("step")),
        options=_options(parts[0], more.get("options")),
        multiline=more.get("multiline") is True,
        image_upload=more.get("image_upload") is True,
        upload=any(more.get(key) is True for key in UPLOADS),
        tooltip=more["tooltip"] if isinstance(more.get("tooltip"), str) else None,
    )


def _options(kind: Any, options: Any) -> tuple[Any, ...] | None:
    choices = kind if isinstance(kind, (list, tuple)) else options
    if not isinstance(choices, (list, tuple)):
        return None
    # A choice that brings inputs of its own is an object with a key.
    plain = [each.get("key") if isinstance(each, dict) else each for each in choices]
    if not all(isinstance(each, (str, int, float, bool)) for each in plain):
        return None
    return tuple(plain)


def _type_name(kind: Any) -> str:
    if isinstance(kind, str):
        return COMBO if kind.startswith("COMFY_DYNAMICCOMBO") else kind
    return COMBO if isinstance(kind, (list, tuple)) else "*"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _number(value: Any) -> int | float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
