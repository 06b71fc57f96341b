"""Results of the last graph's nodes, found again by what went into them."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fake_comfyui.catalog import Catalog
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.findings import is_link
from tests.fake_comfyui.node import Output
from tests.fake_comfyui.recorded import Json


@dataclass(frozen=True)
class _Signer:
    """Names every node of a graph by its class, its values and what feeds it."""

    graph: Json
    catalog: Catalog
    files: Files
    signatures: dict[str, str]

    def sign(self, node_id: str, path: tuple[str, ...] = ()) -> str:
        if node_id in self.signatures:
            return self.signatures[node_id]
        if node_id not in self.graph or node_id in path:
            return uuid.uuid4().hex
        node = self.graph[node_id]
        parts: list[object] = [node["class_type"], self._changes(node)]
        for name, value in sorted(node["inputs"].items()):
            if is_link(value) and len(value) == 2:
                parts.append([name, self.sign(value[0], (*path, node_id)), value[1]])
            else:
                parts.append([name, repr(value)])
        signature = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self.signatures[node_id] = signature
        return signature

    def _changes(self, node: Json) -> str:
        try:
            changes = self.catalog.node(node["class_type"]).changes(self.files, node["inputs"])
        except (OSError, KeyError, TypeError):
            changes = None
        return uuid.uuid4().hex if changes is None else changes


class OutputCache:
    """Keeps only what the graph begun last can use, as ComfyUI's default cache does."""

    def __init__(self, catalog: Catalog, files: Files) -> None:
        self._catalog = catalog
        self._files = files
        self._signatures: dict[str, str] = {}
        self._outputs: dict[str, Output] = {}

    def begin(self, graph: Json) -> None:
        self._signatures = {}
        signer = _Signer(graph, self._catalog, self._files, self._signatures)
        for node_id in graph:
            signer.sign(node_id)
        usable = set(self._signatures.values())
        self._outputs = {key: out for key, out in self._outputs.items() if key in usable}

    def get(self, node_id: str) -> Output | None:
        return self._outputs.get(self._signatures.get(node_id, ""))

    def put(self, node_id: str, output: Output) -> None:
        self._outputs[self._signatures[node_id]] = output

    def shown(self) -> Iterator[tuple[str, Json]]:
        """The nodes of the graph begun last that show something, and what."""
        for node_id in self._signatures:
            output = self.get(node_id)
            if output is not None and output.ui:
                yield node_id, output.ui

    def clear(self) -> None:
        self._outputs.clear()
