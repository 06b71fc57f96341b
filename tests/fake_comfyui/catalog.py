"""The node classes a server offers, described as `/object_info` does."""

import copy
from dataclasses import dataclass
from typing import Any

from tests.fake_comfyui.files import Files
from tests.fake_comfyui.node import Node
from tests.fake_comfyui.nodes import NODES
from tests.fake_comfyui.options import FakeOptions
from tests.fake_comfyui.recorded import Json, recorded


@dataclass(frozen=True)
class Input:
    """One declared input. `type` is a name, or the list of its allowed values."""

    name: str
    required: bool
    type: Any
    config: Json

    @property
    def info(self) -> list[Any]:
        return [self.type, self.config]

    @property
    def options(self) -> list[Any] | None:
        """The allowed values, where they are listed."""
        if isinstance(self.type, list):
            return self.type
        options: list[Any] | None = self.config.get("options") if self.type == "COMBO" else None
        return options


class Catalog:
    def __init__(self, options: FakeOptions, files: Files) -> None:
        self._options = options
        self._files = files
        self._nodes = dict(NODES)
        self._recorded = recorded(options.version.value).object_info

    def __contains__(self, class_type: object) -> bool:
        return class_type in self._nodes

    def names(self) -> list[str]:
        return list(self._nodes)

    def add(self, class_type: str, node: Node) -> None:
        """Offer one more node class, as an installed extension would."""
        self._nodes[class_type] = node

    def node(self, class_type: str) -> Node:
        return self._nodes[class_type]

    def info(self, class_type: str) -> Json:
        """One class's description, with the files that are there now."""
        node = self._nodes[class_type]
        given = node.object_info or self._recorded[class_type]
        if not node.choices:
            return given
        info = copy.deepcopy(given)
        for inputs in info["input"].values():
            for name, folder in node.choices.items():
                if name in inputs:
                    self._list_files(inputs[name], folder)
        return info

    def inputs(self, class_type: str) -> list[Input]:
        declared = self.info(class_type)["input"]
        return [
            Input(name, category == "required", spec[0], spec[1] if len(spec) > 1 else {})
            for category in ("required", "optional")
            for name, spec in declared.get(category, {}).items()
        ]

    def output_types(self, class_type: str) -> tuple[Any, ...]:
        return tuple(self.info(class_type)["output"])

    def is_output(self, class_type: str) -> bool:
        return self.info(class_type)["output_node"] is True

    def _list_files(self, spec: list[Any], folder: str) -> None:
        if folder == "input":
            names = self._files.input_images()
        else:
            names = self._options.model_folder(folder)
        if spec[0] == "COMBO":
            spec[1]["options"] = names
        else:
            spec[0] = names
