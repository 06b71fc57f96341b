"""Parameters by the graph alone: the whole table for a graph of each kind."""

import json

import pytest

from gpu_server.workflows.graph import Graph
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.parameters import Parameter, Source
from gpu_server.workflows.tracing.trace import traced_parameters
from tests.gpu_server.workflows.definitions import installed
from tests.gpu_server.workflows.graphs import PLAIN, Kind, packs, pictures, samplers, texts, values

KINDS = {**samplers.KINDS, **texts.KINDS, **values.KINDS, **pictures.KINDS, **packs.KINDS}


def table(parameters: dict[str, Parameter]) -> dict[str, str]:
    """By name, where each value goes."""
    return {
        name: ",".join(f"{target.node}.{target.input}" for target in each.targets)
        for name, each in parameters.items()
    }


def traced(graph: Graph, object_info: ObjectInfo | None = None) -> dict[str, str]:
    return table(traced_parameters(graph, object_info))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_parameters_are_found(kind: Kind) -> None:
    assert traced(kind.graph) == kind.table


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_parameters_are_the_same_where_comfyui_knows_the_classes(kind: Kind) -> None:
    assert traced(kind.graph, installed()) == kind.table


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_names_do_not_depend_on_node_ids(kind: Kind) -> None:
    ids = {node: f"{number}:7" for number, node in enumerate(kind.graph)}
    renamed = json.loads(json.dumps(kind.graph))
    for node in renamed.values():
        for value in node["inputs"].values():
            if isinstance(value, list):
                value[0] = ids.get(value[0], value[0])
    found = traced({ids[node]: renamed[node] for node in renamed})
    assert [*found] == [*traced(kind.graph)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_default_is_what_the_graph_holds(kind: Kind) -> None:
    for parameter in traced_parameters(kind.graph, None).values():
        target = parameter.targets[0]
        assert parameter.default == kind.graph[target.node]["inputs"][target.input]
        assert parameter.source is Source.GRAPH


def test_graph_without_anything_to_set_has_no_parameters() -> None:
    assert traced({"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}) == {}


def test_long_chain_is_followed_to_its_end() -> None:
    graph = json.loads(json.dumps(PLAIN))
    for number in range(3000):
        before = ["good", 0] if number == 0 else [f"r{number - 1}", 0]
        graph[f"r{number}"] = {"class_type": "Reroute", "inputs": {"": before}}
    graph["sampler"]["inputs"]["positive"] = ["r2999", 0]
    assert traced(graph)["prompt"] == "good.text"


def test_title_of_a_node_that_holds_one_value_is_the_parameters() -> None:
    graph = {**PLAIN, "good": {**PLAIN["good"], "_meta": {"title": "What to paint"}}}
    graph["sampler"] = {**PLAIN["sampler"], "_meta": {"title": "The sampler"}}
    found = traced_parameters(graph, None)
    assert found["prompt"].title == "What to paint"
    assert found["seed"].title is None
