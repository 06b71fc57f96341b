"""Titles `$name` and `$name.input`, given to nodes in ComfyUI's editor."""

import pytest

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.parameters import Parameter, Source
from gpu_server.workflows.sidecar import Sidecar
from gpu_server.workflows.titles import titled_parameters
from gpu_server.workflows.workflow import build_workflow
from tests.gpu_server.workflows.definitions import described, installed
from tests.gpu_server.workflows.graphs import PLAIN, PLAIN_TABLE, node, without
from tests.gpu_server.workflows.test_tracing import table


def titled(title: str, at: str = "good") -> Graph:
    return {**PLAIN, at: {**PLAIN[at], "_meta": {"title": title}}}


def parameters(graph: Graph, object_info: ObjectInfo | None = None) -> dict[str, Parameter]:
    return build_workflow("x", graph, Sidecar(), object_info, "x.params.json").parameters


OBVIOUS: list[tuple[str, str, str]] = [
    ("$subject", "good", "good.text"),
    ("$subject.text", "good", "good.text"),
    ("$scale.cfg", "sampler", "sampler.cfg"),
    ("$cfg", "sampler", "sampler.cfg"),
    ("$checkpoint", "model", "model.ckpt_name"),
    ("$side.width", "size", "size.width"),
    ("$first", "size", "size.width"),
]


@pytest.mark.parametrize(("title", "at", "target"), OBVIOUS)
def test_title_names_the_obvious_input_or_a_given_one(title: str, at: str, target: str) -> None:
    name = title[1:].partition(".")[0]
    found = titled_parameters(titled(title, at), None)
    assert table(found) == {name: target}
    assert found[name].source is Source.TITLE


def test_first_widget_of_a_class_is_meant_before_the_first_literal() -> None:
    graph: Graph = {"1": node("A", "$x", second=2, first=1)}
    info = ObjectInfo.parse({"A": described({"first": ["INT"], "second": ["INT"]})})
    assert table(titled_parameters(graph, info)) == {"x": "1.first"}
    assert table(titled_parameters(graph, None)) == {"x": "1.second"}


def test_main_input_is_meant_before_the_others() -> None:
    graph: Graph = {"1": node("A", "$x", mode="fast", value=3)}
    assert table(titled_parameters(graph, None)) == {"x": "1.value"}


def test_linked_text_is_followed_to_where_it_is_held() -> None:
    graph: Graph = {
        "1": node("CLIPTextEncode", "$subject", text=["2", 0], clip=["3", 0]),
        "2": node("PrimitiveString", value="a cat"),
        "3": node("CLIPLoader", clip_name="c"),
    }
    assert table(titled_parameters(graph, None)) == {"subject": "2.value"}


def test_titled_parameter_takes_the_place_of_the_traced_one() -> None:
    expected = {**without(PLAIN_TABLE, "prompt"), "subject": "good.text"}
    assert table(parameters(titled("$subject"))) == expected


def test_title_wins_the_name() -> None:
    graph = {**titled("$prompt", "words"), **PLAIN} if "words" in PLAIN else {**PLAIN}
    graph["words"] = node("PrimitiveString", "$prompt", value="a dog")
    assert table(parameters(graph))["prompt"] == "words.value"


def test_other_targets_of_a_traced_parameter_stay() -> None:
    encoder = node("CLIPTextEncodeFlux", "$short.clip_l", clip_l="cat", t5xxl="cat")
    found = parameters({**PLAIN, "good": encoder})
    assert table({name: found[name] for name in ("prompt", "short")}) == {
        "prompt": "good.t5xxl",
        "short": "good.clip_l",
    }


def test_nodes_of_one_name_get_one_value() -> None:
    graph = titled("$words")
    graph["bad"] = {**PLAIN["bad"], "_meta": {"title": "$words"}}
    assert table(titled_parameters(graph, None)) == {"words": "good.text,bad.text"}


def test_title_can_say_required_and_describe() -> None:
    found = titled_parameters(titled("$subject.text!: What it shows: a thing"), None)["subject"]
    assert (found.required, found.description) == (True, "What it shows: a thing")


def test_titled_parameter_is_typed_and_bounded() -> None:
    found = parameters(titled("$rounds.steps", "sampler"), installed())["rounds"]
    assert (found.type.value, found.minimum, found.maximum) == ("integer", 1, 10000)


@pytest.mark.parametrize("title", ["$5 special", "Price: $name", "$", "$na me", "prompt"])
def test_other_titles_are_just_titles(title: str) -> None:
    assert titled_parameters(titled(title), None) == {}


@pytest.mark.parametrize(
    ("title", "at", "words"),
    [
        ("$subject.txt", "good", r"no input 'txt' to set\. Its inputs: text, clip"),
        ("$x", "decode", "has nothing to set"),
        ("$x.samples", "decode", "no input 'samples' to set"),
    ],
)
def test_title_that_names_nothing_is_an_error(title: str, at: str, words: str) -> None:
    with pytest.raises(WorkflowInvalid, match=words):
        titled_parameters(titled(title, at), None)
