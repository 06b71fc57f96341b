"""Types, bounds and choices, from /object_info and without it."""

from typing import Any

import pytest

from gpu_server.errors import InvalidParameter
from gpu_server.workflows.domain import Found, parameter_of
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.parameters import Parameter, ParameterType, Source, Target
from gpu_server.workflows.tracing.trace import traced_parameters
from tests.gpu_server.workflows.definitions import described, installed
from tests.gpu_server.workflows.graphs import PLAIN, node, pictures, sampler


def plain() -> dict[str, Parameter]:
    return traced_parameters(PLAIN, installed())


def parameter(spec: Any, literal: Any, name: str = "x") -> Parameter:
    """The parameter at an input of this description that holds this literal."""
    graph: Graph = {"1": node("A", **{name: literal})}
    info = ObjectInfo.parse({"A": described({name: spec})}) if spec is not None else None
    return parameter_of(Found(name, (Target("1", name),)), graph, info, Source.GRAPH)


def test_types_bounds_and_choices_are_those_of_the_inputs() -> None:
    found = plain()
    assert (found["steps"].type, found["steps"].minimum, found["steps"].maximum) == (
        ParameterType.INTEGER,
        1,
        10000,
    )
    assert found["cfg"].type is ParameterType.NUMBER
    assert found["seed"].maximum == 2**64 - 1
    assert "euler" in (found["sampler_name"].enum or ())
    assert found["model"].enum == ("sd_xl_base_1.0.safetensors", "v1-5.safetensors")


def test_step_is_a_hint_and_no_bound() -> None:
    width = plain()["width"]
    assert width.schema()["x-step"] == 8
    assert "multipleOf" not in width.schema()
    assert width.check(513) == 513


WRONG: list[tuple[str, Any, str, str | None]] = [
    ("steps", 0, "at least 1", "1"),
    ("steps", "20", "must be an integer", None),
    ("cfg", 100.5, "at most 100", "100.0"),
    ("sampler_name", "eular", "Nearest: euler", "euler"),
    ("model", "sd_xl_base.safetensors", "Nearest", "sd_xl_base_1.0.safetensors"),
    ("width", 1, "at least 16", "16"),
    ("seed", -2, "at least 0", "0"),
]


@pytest.mark.parametrize(("name", "value", "words", "hint"), WRONG)
def test_wrong_value_names_the_bound_and_the_nearest(
    name: str, value: Any, words: str, hint: str | None
) -> None:
    with pytest.raises(InvalidParameter, match=words) as caught:
        plain()[name].check(value)
    assert caught.value.extra["parameter"] == name
    assert caught.value.extra.get("hint") == hint


def test_largest_seed_is_exact() -> None:
    assert plain()["seed"].check(2**64 - 1) == 18446744073709551615


def test_value_passes_the_bounds_of_every_input_on_its_way() -> None:
    graph = {**PLAIN, "sampler": sampler(steps=["n", 0]), "n": node("PrimitiveInt", value=20)}
    steps = traced_parameters(graph, installed())["steps"]
    assert (steps.minimum, steps.maximum) == (1, 10000)


def test_choices_are_those_of_the_input_that_a_primitive_feeds() -> None:
    graph = {
        **PLAIN,
        "sampler": sampler(sampler_name=["s", 0]),
        "s": node("PrimitiveString", value="euler"),
    }
    name = traced_parameters(graph, installed())["sampler_name"]
    assert name.targets == (Target("s", "value"),)
    assert "dpmpp_2m" in (name.enum or ())


LITERALS: list[tuple[str, Any, ParameterType]] = [
    ("x", 3, ParameterType.INTEGER),
    ("x", 3.0, ParameterType.NUMBER),
    ("x", "a", ParameterType.STRING),
    ("x", True, ParameterType.BOOLEAN),
    ("cfg", 7, ParameterType.NUMBER),
    ("denoise_2", 1, ParameterType.NUMBER),
]


@pytest.mark.parametrize(("name", "literal", "kind"), LITERALS)
def test_without_object_info_the_literal_says_the_type(
    name: str, literal: Any, kind: ParameterType
) -> None:
    assert parameter(None, literal, name).type is kind


def test_seed_is_bounded_without_object_info_too() -> None:
    seed = parameter(None, 1, "seed")
    assert (seed.minimum, seed.maximum) == (0, 2**64 - 1)


def test_words_of_a_template_are_no_default_of_a_number() -> None:
    assert parameter(["INT", {}], "{{steps}}").default is None


def test_choice_of_numbers_is_a_number() -> None:
    choice = parameter([[1, 2, 4], {}], 2)
    assert (choice.type, choice.enum) == (ParameterType.INTEGER, (1, 2, 4))


def test_choice_without_any_option_says_that_nothing_is_installed() -> None:
    with pytest.raises(InvalidParameter, match="install one first"):
        parameter([[], {}], "a.safetensors").check("a.safetensors")


def test_uploaded_image_is_an_image_in_base64() -> None:
    image = traced_parameters(pictures.IMAGE_TO_IMAGE.graph, installed())["image"]
    assert image.type is ParameterType.IMAGE
    assert image.schema() == {
        "type": "string",
        "contentEncoding": "base64",
        "contentMediaType": "image/*",
    }
    assert image.check("uploaded/name.png") == "uploaded/name.png"


def test_image_whose_file_is_not_there_must_be_given() -> None:
    def graph(name: str) -> Graph:
        return {**pictures.UPSCALE.graph, "picture": node("LoadImage", image=name)}

    assert traced_parameters(graph("a.png"), installed())["image"].required
    assert not traced_parameters(graph("example.png"), installed())["image"].required


def test_mask_is_an_image_that_says_so() -> None:
    mask = traced_parameters(pictures.INPAINT.graph, installed())["mask"]
    assert (mask.type, mask.mask) == (ParameterType.IMAGE, True)
    assert mask.schema()["title"] == "Mask"


def test_address_of_an_image_is_text() -> None:
    graph = {
        "1": node("LoadImageFromUrl", image="https://example.com/a.png"),
        "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }
    assert traced_parameters(graph, None)["image"].type is ParameterType.STRING


def test_common_parameters_are_described_and_others_by_their_tooltip() -> None:
    assert plain()["width"].description == "Pixels."
    assert parameter(["INT", {"tooltip": "How many."}], 1).description == "How many."
