"""How far each started node of a running prompt is."""

from tests.fake_comfyui.recorded import Json


class Progress:
    """The numbers that `progress_state` events carry; only started nodes have any."""

    def __init__(self, prompt_id: str) -> None:
        self._prompt_id = prompt_id
        self._nodes: dict[str, Json] = {}

    def start(self, node_id: str) -> None:
        self._put(node_id, 0.0, 1.0, "running")

    def update(self, node_id: str, value: int, maximum: int) -> None:
        self._put(node_id, value, maximum, "running")

    def finish(self, node_id: str) -> None:
        """A cached node never started: it counts as 1 of 1, without decimals."""
        maximum = self._nodes.get(node_id, {"max": 1})["max"]
        self._put(node_id, maximum, maximum, "finished")

    def state(self) -> Json:
        return {"prompt_id": self._prompt_id, "nodes": dict(self._nodes)}

    def _put(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._nodes[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            **self.identity(node_id),
        }

    def identity(self, node_id: str) -> Json:
        """Which node of the graph this is; they differ only in expanded subgraphs."""
        return {
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
