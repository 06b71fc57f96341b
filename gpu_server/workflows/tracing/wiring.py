"""A graph as it is wired: each node's literals and links, downstream and upstream."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from gpu_server.workflows.graph import Graph, is_link
from gpu_server.workflows.object_info import InputInfo, NodeInfo, ObjectInfo

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Link:
    """What feeds input `input` of `node`: output number `index` of `source`."""

    node: str
    input: str
    source: str
    index: int


def walk(start: Iterable[S], step: Callable[[S], Iterable[S]]) -> Iterator[S]:
    """Every place that the steps lead to, once each and depth first: loops come to an end."""
    seen: set[S] = set()
    stack = [*start][::-1]
    while stack:
        place = stack.pop()
        if place not in seen:
            seen.add(place)
            yield place
            stack += [*step(place)][::-1]


class Wiring:
    """The graph's links, and what is known of its nodes' classes."""

    def __init__(self, graph: Graph, object_info: ObjectInfo | None) -> None:
        self.graph = graph
        self.object_info = object_info
        self._links = {node: self._links_of(node) for node in graph}
        self._consumers: dict[str, list[Link]] = {node: [] for node in graph}
        for links in self._links.values():
            for link in links:
                self._consumers[link.source].append(link)

    def _links_of(self, node: str) -> list[Link]:
        return [
            Link(node, name, value[0], value[1])
            for name, value in self.graph[node]["inputs"].items()
            if is_link(value) and value[0] in self.graph and isinstance(value[1], int)
        ]

    def class_type(self, node: str) -> str:
        """The class's name."""
        name: str = self.graph[node]["class_type"]
        return name

    def inputs(self, node: str) -> dict[str, Any]:
        """All inputs, literals and links."""
        inputs: dict[str, Any] = self.graph[node]["inputs"]
        return inputs

    def literals(self, node: str) -> dict[str, Any]:
        """The inputs that hold their value themselves."""
        return {name: value for name, value in self.inputs(node).items() if not is_link(value)}

    def links(self, node: str) -> list[Link]:
        """What feeds the node, in the order of its inputs; links to nowhere are left out."""
        return self._links[node]

    def link(self, node: str, name: str) -> Link | None:
        """What feeds this input."""
        return next((link for link in self._links[node] if link.input == name), None)

    def consumers(self, node: str) -> list[Link]:
        """What the node feeds."""
        return self._consumers[node]

    def info(self, node: str) -> NodeInfo | None:
        """What ComfyUI says of the node's class."""
        return self.object_info.node(self.class_type(node)) if self.object_info else None

    def input_info(self, node: str, name: str) -> InputInfo | None:
        """What ComfyUI says of this input."""
        info = self.info(node)
        return info.inputs.get(name) if info else None

    def output_type(self, link: Link) -> str | None:
        """The type of what comes over the link, where it is known."""
        info = self.info(link.source)
        if info is None or not 0 <= link.index < len(info.outputs):
            return None
        return info.outputs[link.index]

    def output_name(self, link: Link) -> str | None:
        """What the source calls this output."""
        info = self.info(link.source)
        if info is None or not 0 <= link.index < len(info.output_names):
            return None
        return info.output_names[link.index]

    @cached_property
    def flow(self) -> list[str]:
        """The nodes that something runs for, each after those that feed it.

        A node that nothing needs is not run by ComfyUI; where a class is unknown, it is taken for
        one that makes something.
        """
        order: dict[str, None] = {}
        stack = [(node, False) for node in self.graph if self._is_end(node)][::-1]
        entered: set[str] = set()
        while stack:
            node, fed = stack.pop()
            if fed:
                order[node] = None
            elif node not in entered:
                entered.add(node)
                stack.append((node, True))
                stack += [(link.source, False) for link in self.links(node)][::-1]
        return list(order) or list(self.graph)

    def _is_end(self, node: str) -> bool:
        info = self.info(node)
        if info is not None:
            return info.output_node
        return not self.consumers(node) and bool(self.links(node))
