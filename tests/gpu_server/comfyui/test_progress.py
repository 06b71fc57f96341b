"""One number from 0 to 1 for a job, which never goes back."""

from typing import Any

import pytest

from gpu_server.comfyui.messages import Message
from gpu_server.comfyui.progress import Progress, nodes_to_run

FOUR = frozenset("1234")


def graph(**links: list[str]) -> dict[str, dict[str, Any]]:
    """Nodes by name, each with those it takes from."""
    return {
        node: {"class_type": "X", "inputs": {f"i{at}": [at, 0] for at in sources}}
        for node, sources in links.items()
    }


def after(*messages: tuple[str, dict[str, Any]], nodes: frozenset[str] = FOUR) -> Progress:
    progress = Progress(nodes)
    for kind, data in messages:
        before = progress.value
        progress.hear(Message(kind, data))
        assert before <= progress.value <= 1
    return progress


def executing(node: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "executing", {"node": node, **more}


def step(value: float, most: float, **more: Any) -> tuple[str, dict[str, Any]]:
    return "progress", {"value": value, "max": most, **more}


def test_only_what_the_outputs_need_is_run() -> None:
    needed = nodes_to_run(graph(a=[], b=["a"], c=["b"], d=["a"]), ["c"])
    assert needed == {"a", "b", "c"}


def test_whole_graph_is_run_where_no_output_is_known() -> None:
    assert nodes_to_run(graph(a=[], b=["a"]), []) == {"a", "b"}


def test_graph_that_goes_in_a_circle_has_an_end() -> None:
    assert nodes_to_run(graph(a=["b"], b=["a"]), ["a"]) == {"a", "b"}


def test_link_to_a_node_that_is_not_there_is_left_out() -> None:
    assert nodes_to_run(graph(a=["x"]), ["a"]) == {"a"}


def test_nothing_done_is_nothing() -> None:
    assert after(executing("1")).value == 0


def test_node_is_done_when_the_next_one_runs() -> None:
    assert after(executing("1"), executing("2"), executing("3")).value == 0.5


def test_cached_nodes_are_left_out() -> None:
    cached = ("execution_cached", {"nodes": ["1", "2"]})
    assert after(cached, executing("3"), executing("4")).value == 0.5


def test_steps_are_parts_of_their_node() -> None:
    assert after(executing("1"), executing("2"), step(5, 10, node="2")).value == 0.375


def test_second_pass_inside_a_node_does_not_go_back() -> None:
    assert after(executing("1"), step(10, 10), step(1, 10)).value == 0.25


def test_success_is_all() -> None:
    assert after(executing("1"), ("execution_success", {})).value == 1


def test_states_count_what_has_finished() -> None:
    nodes = {
        "1": {"state": "finished", "value": 1, "max": 1},
        "2": {"state": "running", "value": 1, "max": 2},
    }
    assert after(executing("2"), ("progress_state", {"nodes": nodes})).value == 0.375


def test_parts_of_an_expanded_node_count_with_it() -> None:
    nodes = {"1.0.2": {"state": "finished", "value": 1, "max": 1, "display_node_id": "1"}}
    assert after(("progress_state", {"nodes": nodes})).value == 0


ODD = [
    step(1, 0),
    step(7, 5),
    ("progress", {}),
    ("progress", {"value": None, "max": None}),
    ("progress_state", {}),
    ("execution_cached", {}),
    ("execution_cached", {"nodes": ["1", "2", "3", "4", "x"]}),
    executing("unknown"),
    executing("1", display_node="2"),
    ("status", {}),
]


@pytest.mark.parametrize("message", ODD, ids=str)
def test_odd_messages_keep_it_between_nothing_and_all(message: tuple[str, dict[str, Any]]) -> None:
    assert 0 <= after(executing("1"), message, executing("2"), message).value <= 1
