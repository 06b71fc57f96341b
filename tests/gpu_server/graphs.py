"""Graphs that the tests drop into a workflows folder."""

import json
from pathlib import Path
from typing import Any

Graph = dict[str, dict[str, Any]]

INVERTED: Graph = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
}
"""Takes an image, and needs no model."""


def canvas(**inputs: Any) -> dict[str, Any]:
    """A node that makes a picture, or several: no two canvasses are the same, or all are."""
    sides = {"width": 8, "height": 8, "batch_size": 1, "color": 0}
    return {"class_type": "EmptyImage", "inputs": {**sides, **inputs}}


def saving(node: str, kind: str = "SaveImage") -> dict[str, Any]:
    """An output node for the images of `node`."""
    prefix = {"filename_prefix": "x"} if kind == "SaveImage" else {}
    return {"class_type": kind, "inputs": {"images": [node, 0], **prefix}}


def drop_in(folder: Path, name: str, graph: Graph, **sidecar: Any) -> None:
    """Make a workflow of it, with a sidecar where one is given."""
    (folder / f"{name}.json").write_text(json.dumps(graph))
    if sidecar:
        (folder / f"{name}.params.json").write_text(json.dumps(sidecar))
