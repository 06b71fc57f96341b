"""Findings of the graph check that no recording shows."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_comfyui.catalog import Catalog
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.graph import GraphCheck, Verdict
from tests.fake_comfyui.options import FakeOptions, Version
from tests.fakes.graphs import Graph, empty_image, image_graph, node, sampling_graph, save


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.remove()


def check(graph: Graph, files: Files, version: Version = Version.NEW) -> Verdict:
    catalog = Catalog(FakeOptions(version=version), files)
    return GraphCheck(graph, catalog, files, version).verdict()


def first_error(verdict: Verdict, node_id: str) -> dict[str, Any]:
    error: dict[str, Any] = verdict.node_errors[node_id]["errors"][0]
    return error


def test_good_graph_has_its_outputs(files: Files) -> None:
    assert check(sampling_graph(), files) == Verdict(None, ["9"], {})


def test_value_below_the_minimum(files: Files) -> None:
    error = first_error(check(image_graph(width=0), files), "1")
    assert (error["type"], error["message"]) == (
        "value_smaller_than_min",
        "Value 0 smaller than min of 1",
    )


def test_long_list_is_not_repeated(files: Files) -> None:
    error = first_error(check(sampling_graph(sampler_name="nope"), files), "3")
    assert error["type"] == "value_not_in_list"
    assert error["details"].startswith("sampler_name: 'nope' not in (list of length ")
    assert error["extra_info"]["input_config"] is None


def test_options_of_a_newer_style_combo_are_checked(files: Files) -> None:
    graph = {
        "1": empty_image(),
        "2": node("UpscaleModelLoader", model_name="nope.pth"),
        "3": node("ImageUpscaleWithModel", upscale_model=["2", 0], image=["1", 0]),
        "4": save("3"),
    }
    assert first_error(check(graph, files), "2")["type"] == "value_not_in_list"


def test_link_of_the_wrong_length(files: Files) -> None:
    graph = {"1": empty_image(), "2": node("SaveImage", images=["1"], filename_prefix="x")}
    assert first_error(check(graph, files), "2")["type"] == "bad_linked_input"


def test_link_of_the_wrong_type(files: Files) -> None:
    error = first_error(check(sampling_graph(latent_image=["4", 0]), files), "3")
    assert error["type"] == "return_type_mismatch"
    assert error["details"] == ("latent_image, received_type(MODEL) mismatch input_type(LATENT)")


def test_link_to_nowhere_within_the_graph(files: Files) -> None:
    verdict = check(sampling_graph(model=["99", 0]), files)
    assert first_error(verdict, "3")["type"] == "exception_during_inner_validation"
    assert first_error(verdict, "3")["details"] == "'99'"


def test_cycle(files: Files) -> None:
    graph = {
        "1": node("ImageInvert", image=["2", 0]),
        "2": node("ImageInvert", image=["1", 0]),
        "3": save("1"),
    }
    error = first_error(check(graph, files), "1")
    assert (error["type"], error["details"]) == ("dependency_cycle", "1 -> 2 -> 1")


def test_node_without_inputs(files: Files) -> None:
    verdict = check({"1": {"class_type": "SaveImage"}}, files)
    assert first_error(verdict, "1")["details"] == "'inputs'"


@pytest.mark.parametrize(
    ("version", "kind"), [(Version.OLD, "invalid_prompt"), (Version.NEW, "missing_node_type")]
)
def test_node_without_a_class(files: Files, version: Version, kind: str) -> None:
    verdict = check({"1": {"inputs": {}}}, files, version)
    assert verdict.error is not None
    assert verdict.error["type"] == kind


def test_values_are_converted_in_place(files: Files) -> None:
    graph = image_graph(width="64")
    assert check(graph, files).error is None
    assert graph["1"]["inputs"]["width"] == 64
