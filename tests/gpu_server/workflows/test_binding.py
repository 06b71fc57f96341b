"""Putting values into a traced workflow: seeds, shared values, images."""

from typing import Any

import pytest

from gpu_server.errors import InvalidParameter
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.parameters import SEED_LIMIT, BoundGraph, bind
from gpu_server.workflows.tracing.trace import traced_parameters
from tests.gpu_server.workflows.definitions import installed
from tests.gpu_server.workflows.graphs import PLAIN, pictures, texts, values


def bound(graph: Graph, given: dict[str, Any], seed: int | None = None) -> BoundGraph:
    return bind(graph, traced_parameters(graph, installed()), given, seed=seed)


def test_values_left_out_keep_the_graphs_own_and_are_not_reported() -> None:
    result = bound(PLAIN, {"steps": 5}, seed=8)
    assert result.values == {"steps": 5, "seed": 8}
    assert result.graph["sampler"]["inputs"]["cfg"] == 7.0
    assert result.graph["size"] == PLAIN["size"]


def test_every_seed_left_out_follows_the_first() -> None:
    result = bound(pictures.TWO_PASSES.graph, {}, seed=41)
    assert result.values == {"seed": 41, "seed_2": 42}
    assert result.graph["sampler"]["inputs"]["seed"] == 41
    assert result.graph["second"]["inputs"]["seed"] == 42


def test_seeds_wrap_where_they_can_no_longer_be_read_back_exactly() -> None:
    result = bound(pictures.TWO_PASSES.graph, {}, seed=SEED_LIMIT - 1)
    assert result.values == {"seed": SEED_LIMIT - 1, "seed_2": 0}


def test_given_seed_is_kept_and_minus_one_is_any() -> None:
    result = bound(pictures.TWO_PASSES.graph, {"seed": -1, "seed_2": 3}, seed=7)
    assert result.values == {"seed": 7, "seed_2": 3}


def test_seeds_are_drawn_where_none_is_told() -> None:
    drawn = [bound(pictures.TWO_PASSES.graph, {}).values for _ in range(3)]
    assert len({each["seed"] for each in drawn}) == 3
    assert all(each["seed_2"] == (each["seed"] + 1) % SEED_LIMIT for each in drawn)


def test_prompt_goes_into_every_input_of_its_encoder() -> None:
    graph = texts.FLUX_ENCODER.graph
    good = bound(graph, {"prompt": "a dog"}).graph["good"]["inputs"]
    assert (good["clip_l"], good["t5xxl"]) == ("a dog", "a dog")


def test_value_that_a_primitive_holds_is_put_there() -> None:
    graph = values.PRIMITIVES.graph
    result = bound(graph, {"steps": 3}, seed=1).graph
    assert result["steps_value"]["inputs"]["value"] == 3
    assert result["sampler"]["inputs"]["steps"] == ["steps", 0]


def test_two_names_of_one_value_must_agree() -> None:
    graph = values.ONE_VALUE.graph
    assert bound(graph, {"width": 640, "height": 640}).graph["side"]["inputs"]["value"] == 640
    with pytest.raises(InvalidParameter, match="height and width are one value"):
        bound(graph, {"width": 640, "height": 512})


def test_image_is_replaced_by_the_uploaded_name() -> None:
    result = bound(pictures.UPSCALE.graph, {"image": "gateway/abc.png"})
    assert result.graph["picture"]["inputs"]["image"] == "gateway/abc.png"


def test_image_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(InvalidParameter, match="image must be given: an image in base64") as caught:
        bound(pictures.UPSCALE.graph, {})
    assert caught.value.extra["parameter"] == "image"


def test_image_must_be_text() -> None:
    with pytest.raises(InvalidParameter, match="image must be an image in base64, not 7"):
        bound(pictures.UPSCALE.graph, {"image": 7})
