"""The files that a job made, as its history entry names them."""

from collections.abc import Mapping
from typing import Any


def output_files(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every object with a `filename`, in the order of nodes and batches.

    Temporary previews count only where there is nothing else.
    """
    files = [
        item
        for node in (entry.get("outputs") or {}).values()
        for items in node.values()
        if isinstance(items, list)
        for item in items
        if isinstance(item, dict) and item.get("filename")
    ]
    return [file for file in files if file.get("type") != "temp"] or files
