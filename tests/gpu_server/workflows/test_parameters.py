"""Parameters: checking a client's values and putting them into a graph."""

import json
import math
from typing import Any

import pytest

from gpu_server.errors import InvalidParameter
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.parameters import (
    SEED_LIMIT,
    BoundGraph,
    Parameter,
    ParameterType,
    Target,
    bind,
)

GRAPH: Graph = {
    "1": {"class_type": "A", "inputs": {"x": 0, "seed": 7}},
    "2": {"class_type": "B", "inputs": {"x": 0}},
}


def shown(value: Any) -> str:
    """A short name for a value, for the reports."""
    if isinstance(value, Parameter):
        bounds = {"minimum": "from", "maximum": "to", "multiple_of": "step"}
        named = [f"{word} {getattr(value, field)}" for field, word in bounds.items()]
        return " ".join(each for each in named if "None" not in each)
    return ascii(value)[:20]


def of(kind: str, name: str = "x", **fields: Any) -> Parameter:
    """A parameter of this type, at input `name` of node 1."""
    return Parameter(name=name, type=ParameterType(kind), targets=(Target("1", name),), **fields)


def bound(parameter: Parameter, **values: Any) -> BoundGraph:
    return bind(GRAPH, {parameter.name: parameter}, values)


def refusal(parameter: Parameter, value: Any) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        parameter.check(value)
    assert caught.value.extra["parameter"] == parameter.name
    return caught.value


TAKEN: list[tuple[str, Any, Any]] = [
    ("string", "a", "a"),
    ("string", "", ""),
    ("string", "7", "7"),
    ("integer", 7, 7),
    ("integer", 7.0, 7),
    ("integer", -1, -1),
    ("integer", 2**64 - 1, 2**64 - 1),
    ("number", 7, 7),
    ("number", 7.5, 7.5),
    ("boolean", True, True),
    ("boolean", False, False),
]


@pytest.mark.parametrize(("kind", "value", "result"), TAKEN, ids=shown)
def test_value_of_the_type_is_taken(kind: str, value: Any, result: Any) -> None:
    checked = of(kind).check(value)
    assert (checked, type(checked)) == (result, type(result))


REFUSED: list[tuple[str, Any]] = [
    ("string", 7),
    ("string", ["a"]),
    ("integer", "7"),
    ("integer", 7.5),
    ("integer", True),
    ("integer", math.nan),
    ("integer", math.inf),
    ("integer", []),
    ("integer", 10**400),
    ("number", 10**400),
    ("number", "7.5"),
    ("number", False),
    ("number", math.nan),
    ("number", -math.inf),
    ("boolean", 1),
    ("boolean", "true"),
]


@pytest.mark.parametrize(("kind", "value"), REFUSED, ids=shown)
def test_value_of_another_type_is_refused_and_never_coerced(kind: str, value: Any) -> None:
    article = "an" if kind == "integer" else "a"
    assert f"x must be {article} {kind}" in refusal(of(kind), value).message


def test_text_with_half_a_character_is_refused() -> None:
    """ComfyUI could not even be sent it."""
    assert "half a character" in refusal(of("string"), "a\ud800").message


def test_long_wrong_value_is_shown_in_part() -> None:
    assert len(refusal(of("integer"), "9" * 10_000).message) < 200


def test_deeply_nested_wrong_value_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    refusal(of("string"), nested)


BOUNDS: list[tuple[Parameter, Any, str]] = [
    (of("integer", minimum=64), 1, "64"),
    (of("integer", maximum=4096), 4097, "4096"),
    (of("integer", maximum=16777215), 16777216, "16777215"),
    (of("integer", maximum=2**64 - 1), 2**64, "18446744073709551615"),
    (of("integer", minimum=0, maximum=9), 10**300, "9"),
    (of("number", minimum=0, maximum=30), 30.5, "30"),
    (of("number", minimum=0, maximum=1), -0.001, "0"),
    (of("integer", multiple_of=8), 1023, "1024"),
    (of("integer", multiple_of=8), 1001, "1000"),
    (of("integer", minimum=64, maximum=4096, multiple_of=8), 5001, "4096"),
    (of("integer", minimum=60, multiple_of=8), 1, "64"),
    (of("integer", maximum=100, multiple_of=8), 101, "96"),
    (of("integer", minimum=60, multiple_of=8), 60, "64"),
    (of("number", multiple_of=0.1, minimum=0), 0.34, "0.3"),
]


@pytest.mark.parametrize(("parameter", "value", "nearest"), BOUNDS, ids=shown)
def test_value_out_of_bounds_is_refused_with_the_nearest_valid_one(
    parameter: Parameter, value: Any, nearest: str
) -> None:
    error = refusal(parameter, value)
    assert error.extra["hint"] == nearest
    assert f"Nearest valid value: {nearest}." in error.message


@pytest.mark.parametrize(("parameter", "_", "nearest"), BOUNDS, ids=shown)
def test_nearest_valid_value_is_valid(parameter: Parameter, _: Any, nearest: str) -> None:
    parameter.check(json.loads(nearest))


def test_bounds_are_named() -> None:
    parameter = of("integer", minimum=64, maximum=4096, multiple_of=8)
    message = refusal(parameter, 63).message
    assert "at least 64, at most 4096, a multiple of 8, not 63" in message


WITHIN: list[tuple[Parameter, Any]] = [
    (of("integer", minimum=64, maximum=4096), 64),
    (of("integer", minimum=64, maximum=4096), 4096),
    (of("integer", maximum=2**64 - 1), 2**64 - 1),
    (of("integer", multiple_of=8), 1024),
    (of("integer", multiple_of=8), 10**300),
    (of("number", multiple_of=0.1), 0.3),
    (of("number", multiple_of=0.05), 7.15),
    (of("number", minimum=0, maximum=1), 0.1 + 0.2),
]


@pytest.mark.parametrize(("parameter", "value"), WITHIN, ids=shown)
def test_value_within_the_bounds_is_taken(parameter: Parameter, value: Any) -> None:
    assert parameter.check(value) == value


def test_value_not_among_the_choices_is_refused_with_the_nearest() -> None:
    error = refusal(of("string", enum=("euler", "dpmpp_2m")), "eular")
    assert error.extra["hint"] == "euler"


def test_value_like_no_choice_is_refused_with_all() -> None:
    error = refusal(of("string", enum=("euler", "dpmpp_2m")), "?")
    assert "One of: euler, dpmpp_2m." in error.message


def test_choice_is_taken() -> None:
    assert of("string", enum=("euler", "dpmpp_2m")).check("euler") == "euler"


def test_unknown_parameter_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InvalidParameter, match=r"no parameter 'stesp'\. It takes: steps") as caught:
        bound(of("integer", "steps"), stesp=3)
    assert caught.value.extra == {"parameter": "stesp", "hint": "steps"}


def test_unknown_parameter_unlike_any_is_refused_with_the_names() -> None:
    with pytest.raises(InvalidParameter, match="It takes: steps") as caught:
        bound(of("integer", "steps"), loras=[])
    assert caught.value.extra == {"parameter": "loras"}


def test_parameter_of_a_workflow_without_any_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="It takes: none"):
        bind(GRAPH, {}, {"x": 1})


def test_value_goes_into_every_target_as_typed_json() -> None:
    targets = (Target("1", "x"), Target("2", "x"))
    parameter = Parameter("x", ParameterType.INTEGER, targets)
    graph = bound(parameter, x=5.0).graph
    assert [json.dumps(graph[node]["inputs"]["x"]) for node in "12"] == ["5", "5"]


def test_graph_itself_is_left_as_it_was() -> None:
    bound(of("integer"), x=5)
    assert GRAPH["1"]["inputs"]["x"] == 0


def test_null_is_a_value_left_out() -> None:
    result = bound(of("integer"), x=None)
    assert (result.graph, result.values) == (GRAPH, {})


def test_null_for_an_unknown_parameter_is_left_out_too() -> None:
    assert bound(of("integer"), y=None).graph == GRAPH


SEED = of("integer", "seed", minimum=0, maximum=2**64 - 1)


@pytest.mark.parametrize("given", [{}, {"seed": None}, {"seed": -1}, {"seed": -1.0}], ids=str)
def test_seed_left_out_is_drawn(given: dict[str, Any]) -> None:
    results = [bound(SEED, **given) for _ in range(3)]
    drawn = {result.values["seed"] for result in results}
    assert len(drawn) == 3
    assert all(0 <= seed < SEED_LIMIT for seed in drawn)
    assert all(each.graph["1"]["inputs"]["seed"] == each.values["seed"] for each in results)


def test_seed_given_is_kept() -> None:
    assert bound(SEED, seed=0).graph["1"]["inputs"]["seed"] == 0


def test_seed_is_drawn_within_its_bounds() -> None:
    """Many custom nodes take 32 bits only."""
    small = of("integer", "seed", minimum=5, maximum=6)
    assert {bound(small).values["seed"] for _ in range(100)} == {5, 6}


def test_seed_that_is_no_number_is_not_drawn() -> None:
    assert bound(of("string", "seed")).values == {}
