"""What a graph needs and this ComfyUI does not have."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from gpu_server.workflows.graph import Graph, is_link, node_title
from gpu_server.workflows.object_info import ObjectInfo

NEAREST = 3
ANY_LIKENESS = 0.2
"""Of files, even a distant one says what there is to choose from."""

ENDING = re.compile(r"\.(safetensors|ckpt|gguf|pth?|bin|sft)$", re.I)


@dataclass(frozen=True)
class MissingNode:
    """A node whose class no installed pack brings."""

    node: str
    title: str
    class_type: str
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class MissingModel:
    """A model file, or another choice, that is not among those that ComfyUI has."""

    node: str
    title: str
    input: str
    value: str
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """All of it; falsy where nothing is missing."""

    nodes: tuple[MissingNode, ...] = ()
    models: tuple[MissingModel, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.nodes or self.models)


def missing_from(graph: Graph, object_info: ObjectInfo | None) -> Missing:
    """What the graph names and `object_info` does not; nothing is known without it."""
    if object_info is None:
        return Missing()
    return Missing(tuple(_nodes(graph, object_info)), tuple(_models(graph, object_info)))


@lru_cache(maxsize=4096)
def nearest_names(name: str, existing: frozenset[str], alikeness: float = 0.5) -> tuple[str, ...]:
    """The most similar of them, folders, endings and case aside, best first."""
    plain: dict[str, list[str]] = {}
    for each in existing:
        plain.setdefault(_plain(each), []).append(each)
    close = difflib.get_close_matches(_plain(name), plain, n=NEAREST, cutoff=alikeness)
    return tuple(each for match in close for each in plain[match])[:NEAREST]


def _plain(name: str) -> str:
    return ENDING.sub("", PurePosixPath(name.replace("\\", "/")).name).casefold()


def _nodes(graph: Graph, object_info: ObjectInfo) -> Iterator[MissingNode]:
    for node_id, node in graph.items():
        class_type = node["class_type"]
        if object_info.node(class_type) is None:
            nearest = nearest_names(class_type, object_info.classes)
            yield MissingNode(node_id, node_title(graph, node_id), class_type, nearest)


def _models(graph: Graph, object_info: ObjectInfo) -> Iterator[MissingModel]:
    for node_id, node in graph.items():
        info = object_info.node(node["class_type"])
        for name, value in node["inputs"].items():
            each = info.inputs.get(name) if info else None
            if each is None or each.options is None or each.upload or is_link(value):
                continue
            if not _among(value, each.options):
                options = frozenset(str(option) for option in each.options)
                yield MissingModel(
                    node_id,
                    node_title(graph, node_id),
                    name,
                    str(value),
                    nearest_names(str(value), options, ANY_LIKENESS),
                )


def _among(value: Any, options: tuple[Any, ...]) -> bool:
    # Several may be chosen at once in some lists.
    return all(each in options for each in value) if isinstance(value, list) else value in options
