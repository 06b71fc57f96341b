"""One number from 0 to 1 for a job, which never goes back."""

from collections.abc import Iterable, Mapping
from typing import Any

from gpu_server.comfyui.messages import Message
from gpu_server.workflows.graph import Graph, is_link


def nodes_to_run(graph: Graph, outputs: Iterable[str]) -> frozenset[str]:
    """The outputs and all that they depend on; the whole graph where no output is known."""
    wanted: set[str] = set()
    open_ends = [node for node in outputs if node in graph] or list(graph)
    while open_ends:
        node = open_ends.pop()
        if node in wanted or node not in graph:
            continue
        wanted.add(node)
        open_ends += [value[0] for value in graph[node]["inputs"].values() if is_link(value)]
    return frozenset(wanted)


class Progress:
    """Nodes done over nodes to run, cached ones left out, a running node's own steps inside it."""

    def __init__(self, nodes: frozenset[str]) -> None:
        self._nodes = nodes
        self._done: set[str] = set()
        self._fraction = 0.0
        self.value = 0.0
        self.node: str | None = None
        """The node that runs."""

    def hear(self, message: Message) -> bool:
        """Take a message in; whether anything has changed by it."""
        before = self.value, self.node
        match message.kind:
            case "execution_cached":
                self._nodes = self._nodes.difference(message.data.get("nodes") or ())
            case "executing":
                self._enter(message.data.get("display_node") or message.data.get("node"))
            case "progress":
                self._step(message.data)
            case "progress_state":
                self._states(message.data.get("nodes") or {})
            case "execution_success":
                self._done, self._fraction = set(self._nodes), 0.0
        self._count()
        return (self.value, self.node) != before

    def _enter(self, node: str | None) -> None:
        if node != self.node:
            self._leave()
            self.node = node

    def _leave(self) -> None:
        if self.node is not None:
            self._done.add(self.node)
        self._fraction = 0.0

    def _step(self, data: Mapping[str, Any]) -> None:
        if data.get("node") in (None, self.node):
            self._fraction = _share(data)

    def _states(self, nodes: Mapping[str, Mapping[str, Any]]) -> None:
        for node_id, state in nodes.items():
            node = str(state.get("display_node_id") or node_id)
            if node != node_id:
                continue  # A part of an expanded node: the node itself is what is counted.
            if state.get("state") == "finished":
                self._done.add(node)
            elif state.get("state") == "running" and node == self.node:
                self._fraction = max(self._fraction, _share(state))

    def _count(self) -> None:
        if not self._nodes:
            return
        done = self._done & self._nodes
        running = self._fraction if self.node in self._nodes - done else 0.0
        self.value = max(self.value, min(1.0, (len(done) + running) / len(self._nodes)))


def _share(data: Mapping[str, Any]) -> float:
    most = float(data.get("max") or 0)
    return min(1.0, float(data.get("value") or 0) / most) if most > 0 else 0.0
