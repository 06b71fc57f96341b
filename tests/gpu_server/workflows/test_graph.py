"""Graphs in ComfyUI's API format."""

from typing import Any

import pytest

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.graph import Graph, node_title, parse_graph, with_filename_prefix

NODE: dict[str, Any] = {"class_type": "EmptyImage", "inputs": {}}
WRONG: dict[str, Any] = {
    "a list": [],
    "a text": "graph",
    "null": None,
    "no nodes": {},
    "the editor's format": {"nodes": [{"id": 1}], "links": []},
    "a node that is none": {"1": 7},
    "no class": {"1": {"inputs": {}}},
    "no inputs": {"1": {"class_type": "A"}},
    "inputs as a list": {"1": {"class_type": "A", "inputs": []}},
    "one node of two": {"1": NODE, "2": {}},
}


def test_graph_in_api_format_is_taken_as_it_is() -> None:
    graph = {"1": {**NODE, "_meta": {"title": "Canvas"}}}
    assert parse_graph(graph, "x.json") == graph


@pytest.mark.parametrize("document", WRONG.values(), ids=WRONG)
def test_what_is_no_graph_is_refused_with_what_to_do(document: Any) -> None:
    with pytest.raises(WorkflowInvalid, match=r"^x\.json .*Export \(API\)"):
        parse_graph(document, "x.json")


def test_editor_format_is_called_by_its_name() -> None:
    with pytest.raises(WorkflowInvalid, match="editor's format"):
        parse_graph(WRONG["the editor's format"], "x.json")


def test_wrong_node_is_named() -> None:
    with pytest.raises(WorkflowInvalid, match="'2'"):
        parse_graph(WRONG["one node of two"], "x.json")


TITLES: list[tuple[dict[str, Any], str]] = [
    ({"_meta": {"title": "Canvas"}}, "Canvas"),
    ({"_meta": {"title": ""}}, "EmptyImage"),
    ({"_meta": {}}, "EmptyImage"),
    ({"_meta": None}, "EmptyImage"),
    ({}, "EmptyImage"),
]


@pytest.mark.parametrize(("extra", "title"), TITLES)
def test_title_is_the_author_s_else_the_class(extra: dict[str, Any], title: str) -> None:
    assert node_title({"1": {**NODE, **extra}}, "1") == title


SAVING: Graph = {
    "1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a", "images": ["3", 0]}},
    "2": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "b"}},
    "3": NODE,
    "4": {"class_type": "SaveImage", "inputs": {"filename_prefix": ["3", 0]}},
}


def test_every_save_node_gets_the_prefix() -> None:
    graph = with_filename_prefix(SAVING, "own/x")
    assert [graph[node]["inputs"]["filename_prefix"] for node in "12"] == ["own/x", "own/x"]


def test_prefix_that_another_node_makes_is_left_alone() -> None:
    assert with_filename_prefix(SAVING, "own/x")["4"] == SAVING["4"]


def test_prefix_is_put_into_a_copy() -> None:
    with_filename_prefix(SAVING, "own/x")
    assert SAVING["1"]["inputs"]["filename_prefix"] == "a"
