"""Sidecars: what an author says of a workflow's parameters."""

import json
from typing import Any

import pytest

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.parameters import Parameter
from gpu_server.workflows.sidecar import parse_sidecar, sidecar_parameters

GRAPH: Graph = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "color": ["2", 0]}},
    "2": {"class_type": "Other", "inputs": {}},
}
WIDTH = {"node": "1", "input": "width", "type": "integer"}


def parameters(**entries: dict[str, Any]) -> dict[str, Parameter]:
    sidecar = parse_sidecar(json.dumps({"parameters": entries}), "x.params.json")
    return sidecar_parameters(sidecar, GRAPH, "x.params.json")


def test_default_is_the_value_in_the_graph() -> None:
    assert parameters(width=WIDTH)["width"].default == 8


def test_input_that_another_node_feeds_has_no_default() -> None:
    color = {"node": "1", "input": "color", "type": "integer"}
    assert parameters(color=color)["color"].schema() == {"type": "integer"}


def test_bounds_and_choices_are_kept() -> None:
    entry = {**WIDTH, "minimum": 1, "maximum": 2**64 - 1, "multiple_of": 2, "enum": [2, 4]}
    assert parameters(width=entry)["width"].schema() == {
        "type": "integer",
        "default": 8,
        "minimum": 1,
        "maximum": 18446744073709551615,
        "multipleOf": 2,
        "enum": [2, 4],
    }


BROKEN = {
    "not json": ("{", "the file"),
    "unknown field": ('{"titel": "x"}', "titel"),
    "parameter without a node": (
        '{"parameters": {"w": {"input": "width", "type": "integer"}}}',
        r"parameters\.w",
    ),
    "unknown type": (
        '{"parameters": {"w": {"node": "1", "input": "width", "type": "int"}}}',
        r"parameters\.w\.type",
    ),
    "unknown field of a parameter": (
        '{"parameters": {"w": {"node": "1", "input": "width", "type": "integer", "max": 1}}}',
        r"parameters\.w\.max",
    ),
}


@pytest.mark.parametrize(("text", "place"), BROKEN.values(), ids=BROKEN)
def test_broken_sidecar_names_file_and_place(text: str, place: str) -> None:
    with pytest.raises(WorkflowInvalid, match=rf"^x\.params\.json: {place}\b"):
        parse_sidecar(text, "x.params.json")


def test_node_that_is_not_there_is_named() -> None:
    with pytest.raises(WorkflowInvalid, match=r"parameters\.w names node '9'"):
        parameters(w={**WIDTH, "node": "9"})


def test_input_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(WorkflowInvalid, match="'height' of node 1, which has width, color"):
        parameters(w={**WIDTH, "input": "height"})
