"""A workflow as a whole: the three sources, the schema, outputs, and what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from gpu_server.errors import WorkflowInvalid
from gpu_server.workflows.graph import Graph
from gpu_server.workflows.loader import read_workflow
from gpu_server.workflows.missing import Missing, missing_from, nearest_names
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.outputs import OutputKind, output_nodes
from gpu_server.workflows.parameters import Source, bind
from gpu_server.workflows.sidecar import parse_sidecar
from gpu_server.workflows.workflow import Workflow, build_workflow
from tests.gpu_server.workflows.definitions import VERSIONS, installed
from tests.gpu_server.workflows.graphs import PLAIN, PLAIN_TABLE, node, pictures, without
from tests.gpu_server.workflows.test_tracing import table


def workflow(
    graph: Graph = PLAIN, object_info: ObjectInfo | None = None, **sidecar: Any
) -> Workflow:
    parsed = parse_sidecar(json.dumps(sidecar), "x.params.json")
    return build_workflow("x", graph, parsed, object_info, "x.params.json")


def test_dropped_in_file_has_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(PLAIN))
    read = read_workflow("mine", tmp_path, installed())
    assert table(read.parameters) == PLAIN_TABLE
    assert read.parameters["steps"].maximum == 10000


def test_sidecar_refines_a_parameter_by_its_name() -> None:
    entry = {"description": "How many.", "maximum": 50, "multiple_of": 5}
    steps = workflow(object_info=installed(), parameters={"steps": entry}).parameters["steps"]
    assert (steps.description, steps.minimum, steps.maximum) == ("How many.", 1, 50)
    assert (steps.multiple_of, steps.default, steps.source) == (5, 20, Source.SIDECAR)


def test_sidecar_refines_a_titled_parameter_too() -> None:
    graph = {**PLAIN, "good": {**PLAIN["good"], "_meta": {"title": "$subject"}}}
    found = workflow(graph, parameters={"subject": {"title": "Subject"}}).parameters["subject"]
    assert (found.title, table({"subject": found})) == ("Subject", {"subject": "good.text"})


def test_parameter_of_the_sidecars_own_takes_the_place_of_the_traced_one() -> None:
    entry = {"node": "sampler", "input": "steps", "type": "integer"}
    found = workflow(parameters={"rounds": entry}).parameters
    assert table(found) == {**without(PLAIN_TABLE, "steps"), "rounds": "sampler.steps"}


def test_type_of_the_sidecars_own_parameter_may_be_left_out() -> None:
    entry = {"node": "sampler", "input": "steps"}
    found = workflow(object_info=installed(), parameters={"rounds": entry}).parameters["rounds"]
    assert (found.type.value, found.maximum) == ("integer", 10000)


def test_only_keeps_a_subset_in_its_order() -> None:
    assert [*workflow(only=["seed", "prompt"]).parameters] == ["seed", "prompt"]


def test_default_of_the_sidecar_is_what_runs() -> None:
    changed = workflow(parameters={"steps": {"default": 8}})
    assert changed.parameters["steps"].default == 8
    assert bind(changed.graph, changed.parameters, {}).graph["sampler"]["inputs"]["steps"] == 8
    assert PLAIN["sampler"]["inputs"]["steps"] == 20


def test_output_and_timeout_are_the_sidecars() -> None:
    chosen = workflow(output="save", timeout=90)
    assert (chosen.output_nodes, chosen.timeout) == (("save",), 90)
    assert workflow(output=["save"]).output_nodes == ("save",)
    assert (workflow().output_nodes, workflow().timeout) == (None, None)


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"parameters": {"stesp": {"maximum": 3}}}, "no parameter 'stesp'. There are: prompt,"),
    ({"only": ["nobody"]}, "only: there is no parameter 'nobody'"),
    ({"output": "99"}, "output names node '99', not there"),
    ({"parameters": {"steps": {"default": "many"}}}, "steps.default: steps must be an integer"),
    ({"parameters": {"steps": {"maximum": 5, "default": 9}}}, "default: steps must be at most 5"),
    ({"timeout": 0}, "timeout"),
    ({"parameters": {"steps": {"multiple_of": 0}}}, "multiple_of"),
]


@pytest.mark.parametrize(("sidecar", "words"), BROKEN)
def test_sidecar_that_names_nothing_is_an_error_that_says_where(
    sidecar: dict[str, Any], words: str
) -> None:
    with pytest.raises(WorkflowInvalid, match=words) as caught:
        workflow(**sidecar)
    assert caught.value.message.startswith("x.params.json: ")


def test_required_parameters_are_in_the_schema() -> None:
    schema = workflow(pictures.UPSCALE.graph, installed()).schema()
    assert schema["required"] == ["image"]
    assert "required" not in workflow().schema()


def test_nothing_is_missing_where_all_is_there() -> None:
    graph = {**PLAIN, "model": node("CheckpointLoaderSimple", ckpt_name="v1-5.safetensors")}
    assert not workflow(graph, installed()).missing


def test_nothing_is_known_to_be_missing_without_object_info() -> None:
    assert missing_from({"1": node("Nobody")}, None) == Missing()


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_nodes_and_models_come_with_the_nearest(version: str) -> None:
    graph = {
        **PLAIN,
        "sampler": {**PLAIN["sampler"], "class_type": "KSamplr", "_meta": {"title": "Mine"}},
        "model": node("CheckpointLoaderSimple", ckpt_name="SDXL\\sd_xl_base.safetensors"),
    }
    missing = workflow(graph, installed(version)).missing
    assert bool(missing)
    (lost,) = missing.nodes
    assert (lost.node, lost.title, lost.class_type) == ("sampler", "Mine", "KSamplr")
    assert lost.nearest[0] == "KSampler"
    (model,) = missing.models
    assert (model.node, model.input) == ("model", "ckpt_name")
    assert model.value == "SDXL\\sd_xl_base.safetensors"
    assert model.nearest[0] == "sd_xl_base_1.0.safetensors"


def test_images_are_not_missing_models() -> None:
    assert not workflow({**PLAIN, "x": node("LoadImage", image="gone.png")}).missing.models


def test_nearest_names_look_past_folders_and_case() -> None:
    existing = frozenset({"SDXL/Base.safetensors", "other.ckpt"})
    assert nearest_names("old/base.safetensors", existing) == ("SDXL/Base.safetensors",)


OUTPUTS: list[tuple[str, OutputKind]] = [
    ("SaveImage", OutputKind.IMAGE),
    ("PreviewImage", OutputKind.PREVIEW),
    ("VHS_VideoCombine", OutputKind.VIDEO),
    ("SaveAnimatedWEBP", OutputKind.VIDEO),
    ("SaveAudioMP3", OutputKind.AUDIO),
    ("SaveGLB", OutputKind.MODEL_3D),
    ("PreviewAny", OutputKind.TEXT),
    ("SaveLatent", OutputKind.OTHER),
    ("SaveImageWebsocket", OutputKind.IMAGE),
]


@pytest.mark.parametrize(("class_type", "kind"), OUTPUTS)
def test_outputs_are_known_by_name_where_the_class_is_unknown(
    class_type: str, kind: OutputKind
) -> None:
    graph: Graph = {"1": node("A"), "2": node(class_type, "Here", images=["1", 0])}
    (output,) = output_nodes(graph, None)
    assert (output.node, output.title, output.class_type) == ("2", "Here", class_type)
    assert output.kind is kind


@pytest.mark.parametrize("class_type", ["LoadImageOutput", "PreviewBridge", "KSampler"])
def test_what_only_sounds_like_an_output_is_none(class_type: str) -> None:
    graph: Graph = {"1": node("A"), "2": node(class_type, images=["1", 0])}
    assert output_nodes(graph, None) == ()


def test_output_nodes_are_those_that_comfyui_knows() -> None:
    graph = {**PLAIN, "extra": node("ImageInvert", image=["decode", 0])}
    assert [each.node for each in output_nodes(graph, installed())] == ["save"]
