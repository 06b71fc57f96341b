"""Which node runs next; the recordings have too few branches to tell."""

from collections.abc import Iterator

from tests.fake_comfyui.order import RunOrder
from tests.fakes.graphs import Graph, empty_image, node, save


def run_order(graph: Graph, *cached: str) -> list[str]:
    return list(_picks(graph, set(cached)))


def _picks(graph: Graph, cached: set[str]) -> Iterator[str]:
    def is_output(node_id: str) -> bool:
        return bool(graph[node_id]["class_type"] == "SaveImage")

    order = RunOrder(graph, is_output, cached.__contains__)
    for node_id in filter(is_output, graph):
        order.add(node_id)
    while order.nodes():
        picked = order.pick()
        yield picked
        order.done(picked)


def test_what_is_near_an_output_goes_first() -> None:
    graph = {
        "1": empty_image(),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("ImageInvert", image=["2", 0]),
        "4": node("ImageInvert", image=["3", 0]),
        "5": save("4"),
        "6": empty_image(),
        "7": save("6"),
    }
    assert run_order(graph) == ["6", "7", "1", "2", "3", "4", "5"]


def test_cached_nodes_and_what_only_they_need_are_left_out() -> None:
    graph = {
        "1": empty_image(),
        "2": node("ImageInvert", image=["1", 0]),
        "3": save("2"),
    }
    assert run_order(graph, "2") == ["3"]
