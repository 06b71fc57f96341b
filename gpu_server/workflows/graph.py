"""A ComfyUI graph in API format: `{node_id: {"class_type": …, "inputs": {…}}}`.

An input is either a literal or a link, `[node_id, output_index]`.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from gpu_server.errors import WorkflowInvalid

Graph = dict[str, dict[str, Any]]

EXPORT_HINT = (
    "Open it in ComfyUI and save it with Workflow > Export (API), then put that file in its place."
)


def parse_graph(document: Any, source: str) -> Graph:
    """Check that a parsed JSON document is a graph in API format.

    Raises WorkflowInvalid, naming `source` and what to do.
    """
    if not isinstance(document, dict):
        raise WorkflowInvalid(f"{source} holds no JSON object. {EXPORT_HINT}")
    if isinstance(document.get("nodes"), list):
        raise WorkflowInvalid(
            f"{source} is in the ComfyUI editor's format, not in API format. {EXPORT_HINT}"
        )
    if not document:
        raise WorkflowInvalid(f"{source} has no nodes. {EXPORT_HINT}")
    for node_id, node in document.items():
        if not (
            isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.get("inputs"), dict)
        ):
            raise WorkflowInvalid(
                f"{source} is not in ComfyUI's API format: entry {node_id!r} is not a node "
                f"with class_type and inputs. {EXPORT_HINT}"
            )
    return document


def is_link(value: Any) -> bool:
    """Whether an input's value comes from another node."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def node_title(graph: Graph, node_id: str) -> str:
    """The title that the author gave the node, else its class."""
    node = graph.get(node_id, {})
    title = node.get("_meta", {}).get("title") if isinstance(node.get("_meta"), dict) else None
    return str(title or node.get("class_type", "unknown"))


def save_nodes(graph: Graph) -> Iterator[dict[str, Any]]:
    """The nodes that write files under a name of their own."""
    return (
        node for node in graph.values() if isinstance(node["inputs"].get("filename_prefix"), str)
    )


def with_filename_prefix(graph: Graph, prefix: str) -> Graph:
    """A copy whose every save node writes under `prefix`.

    A graph equal to the last run executes nothing in ComfyUI and names files that may be gone;
    a prefix of its own makes saving run again while all before it stays cached.
    """
    copy = deepcopy(graph)
    for node in save_nodes(copy):
        node["inputs"]["filename_prefix"] = prefix
    return copy
