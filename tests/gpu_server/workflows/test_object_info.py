"""Reading `/object_info`, whatever custom nodes write there."""

from typing import Any

import pytest

from gpu_server.workflows.object_info import InputInfo, ObjectInfo
from tests.gpu_server.workflows.definitions import VERSIONS, described, installed


def input_of(spec: Any) -> InputInfo:
    """What is read from one input's description."""
    info = ObjectInfo.parse({"A": described({"x": spec})}).node("A")
    assert info is not None
    return info.inputs["x"]


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_sampler_is_read(version: str) -> None:
    info = installed(version).node("KSampler")
    assert info is not None
    seed, sampler_name = info.inputs["seed"], info.inputs["sampler_name"]
    assert (seed.type, seed.minimum, seed.maximum) == ("INT", 0, 2**64 - 1)
    assert sampler_name.type == "COMBO"
    assert "euler" in (sampler_name.options or ())
    assert (info.outputs, info.output_node) == (("LATENT",), False)
    assert [*info.inputs][:4] == ["model", "seed", "steps", "cfg"]


@pytest.mark.parametrize("version", VERSIONS)
def test_image_upload_and_output_node_are_read(version: str) -> None:
    loader, saver = installed(version).node("LoadImage"), installed(version).node("SaveImage")
    assert loader is not None and loader.inputs["image"].image_upload
    assert saver is not None and saver.output_node


NOTATIONS = [
    [["a", "b"], {"default": "b"}],
    ["COMBO", {"options": ["a", "b"], "default": "b"}],
    [("a", "b"), {"default": "b"}],
]


@pytest.mark.parametrize("spec", NOTATIONS, ids=str)
def test_choices_are_read_in_every_notation(spec: Any) -> None:
    info = input_of(spec)
    assert (info.type, info.options, info.default) == ("COMBO", ("a", "b"), "b")


def test_choice_that_brings_inputs_of_its_own_is_its_key() -> None:
    spec = ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "a", "inputs": {}}, {"key": "b"}]}]
    assert input_of(spec).options == ("a", "b")


def test_choices_that_are_asked_elsewhere_are_unknown() -> None:
    assert input_of(["COMBO", {"remote": {"route": "/files"}}]).options is None


def test_optional_inputs_follow_the_required_ones() -> None:
    body = {"A": described({"x": ["INT"]}, optional={"y": ["FLOAT"]})}
    info = ObjectInfo.parse(body).node("A")
    assert info is not None
    assert [(each.name, each.required) for each in info.inputs.values()] == [
        ("x", True),
        ("y", False),
    ]


ODD: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "no input": {"output": None},
    "inputs in a list": {"input": []},
    "an input without a description": described({"x": None, "y": [], "z": 7}),
    "a type alone": described({"x": "INT"}),
    "odd bounds": described({"x": ["INT", {"min": "0", "max": None, "default": object}]}),
    "options in place of a type": described({"x": [{"a": 1}, {}]}),
    "outputs that are lists": {"output": [["a", "b"], None]},
    "options that are objects": described({"x": [[{"name": "a"}], {}]}),
}


@pytest.mark.parametrize("entry", ODD.values(), ids=ODD)
def test_odd_class_is_known_by_its_name_and_spoils_no_other(entry: Any) -> None:
    info = ObjectInfo.parse({"Odd": entry, "Good": described({"x": ["INT", {"max": 3}]})})
    assert info.node("Odd") is not None
    good = info.node("Good")
    assert good is not None and good.inputs["x"].maximum == 3


def test_unknown_class_is_none() -> None:
    assert installed().node("Nobody") is None
    assert "Nobody" not in installed().classes
