"""Which node runs next: the order that ComfyUI's clients see."""

from collections.abc import Callable

from tests.fake_comfyui.findings import is_link
from tests.fake_comfyui.recorded import Json


class RunOrder:
    """The nodes still to run, each with the nodes that it waits for."""

    def __init__(
        self, graph: Json, is_output: Callable[[str], bool], is_cached: Callable[[str], bool]
    ) -> None:
        self._graph = graph
        self._is_output = is_output
        self._is_cached = is_cached
        self._waiting: dict[str, set[str]] = {}

    def add(self, output: str) -> None:
        """Put an output and what it needs on the list, depth first, last input first."""
        stack = [output]
        edges = []
        while stack:
            node_id = stack.pop()
            if node_id in self._waiting:
                continue
            self._waiting[node_id] = set()
            for value in self._graph[node_id]["inputs"].values():
                if is_link(value) and not self._is_cached(value[0]):
                    stack.append(value[0])
                    edges.append((node_id, value[0]))
        for node_id, source in edges:
            self._waiting[node_id].add(source)

    def nodes(self) -> list[str]:
        return list(self._waiting)

    def done(self, node_id: str) -> None:
        del self._waiting[node_id]
        for sources in self._waiting.values():
            sources.discard(node_id)

    def pick(self) -> str:
        """A ready output first, then what is one link from an output, then two."""
        ready = [node_id for node_id, sources in self._waiting.items() if not sources]
        for hops in range(3):
            for node_id in ready:
                if self._leads_to_output(node_id, hops):
                    return node_id
        return ready[0]

    def _leads_to_output(self, node_id: str, hops: int) -> bool:
        if hops == 0:
            return self._is_output(node_id)
        after = [later for later, sources in self._waiting.items() if node_id in sources]
        return any(self._leads_to_output(later, hops - 1) for later in after)
