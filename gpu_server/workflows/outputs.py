"""Where a graph's results come out."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gpu_server.workflows.graph import Graph, is_link, node_title
from gpu_server.workflows.object_info import ObjectInfo


class OutputKind(str, Enum):
    """What an output node makes. A preview is an image that ComfyUI keeps for a while only."""

    IMAGE = "image"
    PREVIEW = "preview"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    MODEL_3D = "3d"
    OTHER = "other"


@dataclass(frozen=True)
class OutputNode:
    """A node that makes files or shows something, and for whose sake the graph runs."""

    node: str
    title: str
    class_type: str
    kind: OutputKind


OUTPUT_NAME = re.compile(r"save|preview|export|websocket|output|video_?combine", re.I)
SAVES = re.compile(r"save|export|video_?combine", re.I)
NO_OUTPUT_NAME = re.compile(r"load|image_?output|bridge|parameters|metadata", re.I)

# The first that matches the class's name, with its spaces and underscores taken out.
KINDS = (
    (re.compile(r"audio|mp3|flac|opus", re.I), OutputKind.AUDIO),
    (re.compile(r"3d|glb|mesh|gaussian", re.I), OutputKind.MODEL_3D),
    (re.compile(r"text|string|preview(any|asany)|showany|json", re.I), OutputKind.TEXT),
    (re.compile(r"video|webm|gif|animated|mp4", re.I), OutputKind.VIDEO),
    (
        re.compile(r"latent|lora|checkpoint|(clip|vae|model)save|graph", re.I),
        OutputKind.OTHER,
    ),
    (re.compile(r"preview|compar", re.I), OutputKind.PREVIEW),
)


def output_nodes(graph: Graph, object_info: ObjectInfo | None) -> tuple[OutputNode, ...]:
    """The graph's output nodes: as ComfyUI knows them, and by their names where it does not."""
    feeding = {
        value[0] for node in graph.values() for value in node["inputs"].values() if is_link(value)
    }
    return tuple(
        OutputNode(node_id, node_title(graph, node_id), class_type, _kind(class_type))
        for node_id, node in graph.items()
        if _is_output(class_type := node["class_type"], node, node_id in feeding, object_info)
    )


def _is_output(
    class_type: str, node: dict[str, Any], feeds: bool, object_info: ObjectInfo | None
) -> bool:
    if object_info and (info := object_info.node(class_type)):
        return info.output_node
    if feeds and not SAVES.search(class_type):
        return False
    takes_something = any(is_link(value) for value in node["inputs"].values())
    named_so = OUTPUT_NAME.search(class_type) and not NO_OUTPUT_NAME.search(class_type)
    return takes_something and bool(named_so)


def _kind(class_type: str) -> OutputKind:
    name = re.sub(r"[\W_]", "", class_type)
    for pattern, kind in KINDS:
        if pattern.search(name):
            return kind
    return OutputKind.IMAGE
