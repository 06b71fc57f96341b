"""Holding parameters against the schema that the GPU service publishes."""

from typing import Any

import pytest

from backend.errors import InvalidInput
from backend.services.parameters import check_parameters, is_image
from tests.backend.gpu_service import schema

HUGE = 10**400
SEED = {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
SIZE = {"type": "integer", "minimum": 16, "maximum": 4096, "multipleOf": 8}
CFG = {"type": "number", "minimum": 0.0, "maximum": 30.0, "multipleOf": 0.1}
SAMPLER = {"type": "string", "enum": ["euler", "euler_ancestral", "dpmpp_2m"]}
NOTHING_INSTALLED = {"type": "string", "enum": []}
ODD_BOUNDS = {"type": "integer", "minimum": 5, "maximum": 15, "multipleOf": 4}

TAKEN: list[tuple[dict[str, Any], Any]] = [
    ({"type": "string"}, ""),
    ({"type": "integer"}, 0),
    ({"type": "integer"}, 20.0),
    ({"type": "number"}, 7),
    ({"type": "number"}, 7.5),
    ({"type": "boolean"}, False),
    ({}, {"anything": ["goes"]}),
    ({"type": ["string", "null"]}, 7),
    (SAMPLER, "euler"),
    (SIZE, 16),
    (SIZE, 4096),
    (SIZE, 1024.0),
    (SEED, 2**64 - 1),
    (SEED, 0),
    (CFG, 7.3),
    (CFG, 29.9),
    (CFG, 30),
    (CFG, 0.1 + 0.2),
    (ODD_BOUNDS, 8),
    (SEED, None),
    (SAMPLER, None),
]


@pytest.mark.parametrize(("rule", "value"), TAKEN, ids=str)
def test_valid_value_is_taken(rule: dict[str, Any], value: Any) -> None:
    check_parameters(schema(it=rule), {"it": value})


REFUSED: list[tuple[dict[str, Any], Any, str, str | None]] = [
    ({"type": "string"}, 7, "it must be a string, not 7.", None),
    ({"type": "integer"}, "20", "it must be an integer, not '20'.", None),
    ({"type": "integer"}, 20.5, "it must be an integer, not 20.5.", None),
    ({"type": "integer"}, True, "it must be an integer, not True.", None),
    ({"type": "integer"}, [1], "it must be an integer, not [1].", None),
    ({"type": "integer"}, float("nan"), "it must be an integer, not nan.", None),
    ({"type": "integer"}, float("inf"), "it must be an integer, not inf.", None),
    ({"type": "number"}, "7.5", "it must be a number, not '7.5'.", None),
    ({"type": "number"}, False, "it must be a number, not False.", None),
    ({"type": "number"}, float("nan"), "it must be a number, not nan.", None),
    ({"type": "number"}, float("-inf"), "it must be a number, not -inf.", None),
    ({"type": "boolean"}, 1, "it must be a boolean, not 1.", None),
    ({"type": "boolean"}, "true", "it must be a boolean, not 'true'.", None),
    (SAMPLER, "eulr", "it cannot be 'eulr'. Nearest: euler, euler_ancestral.", "euler"),
    (SAMPLER, "???", "One of: euler, euler_ancestral, dpmpp_2m.", None),
    (SAMPLER, "Euler", "Nearest: euler", "euler"),
    (NOTHING_INSTALLED, "a.safetensors", "ComfyUI has none to choose from", None),
    ({"enum": [1, 2, 3]}, 4, "it cannot be 4. One of: 1, 2, 3.", None),
    (SIZE, 8, "Nearest valid value: 16.", "16"),
    (SIZE, 5000, "Nearest valid value: 4096.", "4096"),
    (SIZE, 1021, "a multiple of 8, not 1021. Nearest valid value: 1024.", "1024"),
    (SEED, 2**64, f"Nearest valid value: {2**64 - 1}.", str(2**64 - 1)),
    (SEED, -2, "at least 0", "0"),
    (CFG, 7.34, "Nearest valid value: 7.3.", "7.3"),
    (CFG, 30.001, "at least 0.0, at most 30.0, a multiple of 0.1", "30.0"),
    (ODD_BOUNDS, 3, "Nearest valid value: 8.", "8"),
    (ODD_BOUNDS, 99, "Nearest valid value: 12.", "12"),
    (SEED, HUGE, "it must be an integer", None),
    ({"type": "number", "multipleOf": 0.5}, HUGE, "it must be a number", None),
]


@pytest.mark.parametrize(
    ("rule", "value", "words", "hint"), REFUSED, ids=[f"{r}-{v!r:.20}" for r, v, _, _ in REFUSED]
)
def test_invalid_value_is_refused_with_the_nearest(
    rule: dict[str, Any], value: Any, words: str, hint: str | None
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_parameters(schema(it=rule), {"it": value})
    assert words in caught.value.message
    assert caught.value.extra.get("parameter") == "it"
    assert caught.value.extra.get("hint") == hint


@pytest.mark.parametrize("exact", [2**53 + 3, 2**60 + 3])
def test_large_integers_are_not_rounded_through_floats(exact: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_parameters(schema(it={"type": "integer", "multipleOf": 8}), {"it": exact})
    assert int(caught.value.extra["hint"]) % 8 == 0
    assert abs(int(caught.value.extra["hint"]) - exact) <= 4


@pytest.mark.parametrize("name", ["seed", "seed_2", "seed_10"])
@pytest.mark.parametrize("value", [-1, -1.0, None])
def test_seed_may_be_left_to_the_gpu_service(name: str, value: Any) -> None:
    check_parameters(schema(**{name: SEED}), {name: value})


@pytest.mark.parametrize("name", ["seeds", "seed_strength", "my_seed", "steps"])
def test_minus_one_is_a_value_of_what_is_no_seed(name: str) -> None:
    with pytest.raises(InvalidInput, match="at least 0"):
        check_parameters(schema(**{name: SEED}), {name: -1})


def test_text_that_is_called_seed_is_none() -> None:
    with pytest.raises(InvalidInput, match="must be a string"):
        check_parameters(schema(seed={"type": "string"}), {"seed": -1})


def test_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_parameters(schema(steps={}, cfg={}), {"stpes": 20})
    assert caught.value.message == "This mode has no parameter 'stpes'. It takes: steps, cfg."
    assert caught.value.extra == {"parameter": "stpes", "hint": "steps"}


def test_unknown_parameter_is_refused_though_it_is_null() -> None:
    with pytest.raises(InvalidInput, match="no parameter 'stpes'"):
        check_parameters(schema(steps={}), {"stpes": None})


def test_mode_without_parameters_says_so() -> None:
    with pytest.raises(InvalidInput, match="It takes: none"):
        check_parameters(schema(), {"prompt": "p"})


@pytest.mark.parametrize("values", [{}, {"image": None}])
def test_required_parameter_must_be_there(values: dict[str, Any]) -> None:
    needs = {**schema(image={"type": "string"}), "required": ["image"]}
    with pytest.raises(InvalidInput, match="image is missing") as caught:
        check_parameters(needs, values)
    assert caught.value.extra == {"parameter": "image"}


def test_required_parameter_that_is_there_is_taken() -> None:
    needs = {**schema(image={"type": "string"}), "required": ["image"]}
    check_parameters(needs, {"image": "aGk="})


@pytest.mark.parametrize("value", ["x" * 1_000_000, ["x" * 1000] * 1000, {"a": "x" * 1000}])
def test_message_is_short_however_long_the_value(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_parameters(schema(steps={"type": "integer"}), {"steps": value})
    assert len(caught.value.message) < 300


def test_long_name_is_cut() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_parameters(schema(), {"x" * 100_000: 1})
    assert len(caught.value.message) + len(caught.value.extra["parameter"]) < 500


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"type": "string", "contentEncoding": "base64"}, True),
        ({"type": "string"}, False),
    ],
)
def test_image_is_told_by_its_encoding(rule: dict[str, Any], expected: bool) -> None:
    assert is_image(schema(it=rule), "it") is expected


def test_unknown_name_is_no_image() -> None:
    assert not is_image({}, "it")
