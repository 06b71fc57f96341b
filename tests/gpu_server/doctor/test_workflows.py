"""The workflows, as the doctor tells them."""

import json
from pathlib import Path
from typing import Any

import pytest

from gpu_server.doctor.comfyui import look as look_at_comfyui
from gpu_server.doctor.finding import Level
from gpu_server.doctor.workflows import look
from gpu_server.workflows.object_info import ObjectInfo
from tests.fake_comfyui.running import running_fake
from tests.gpu_server.serving import settings

SHIPPED = Path(__file__).resolve().parents[3] / "gpu_server" / "workflows"


@pytest.fixture
async def object_info() -> ObjectInfo | None:
    """Of a ComfyUI that has one checkpoint, which the shipped workflows do not name."""
    async with running_fake(models=("sd_xl_turbo_1.0.safetensors",)) as fake:
        info, _ = await look_at_comfyui(settings(comfyui_api_url=fake.url))
    return info


def put(folder: Path, name: str, **changed: Any) -> None:
    """A shipped workflow, with class names exchanged."""
    graph = json.loads((SHIPPED / f"{name}.json").read_text())
    for node in graph.values():
        node["class_type"] = changed.get(node["class_type"], node["class_type"])
    folder.joinpath(f"{name}.json").write_text(json.dumps(graph))


def test_a_missing_model_is_named_with_the_nearest(
    tmp_path: Path, object_info: ObjectInfo | None
) -> None:
    put(tmp_path, "free_generation")
    put(tmp_path, "selftest")
    missing, sound = look(settings(workflows_path=tmp_path), object_info)
    assert missing.level is Level.YELLOW
    assert missing.text == (
        "free_generation: ComfyUI does not have ckpt_name 'sd_xl_base_1.0.safetensors' "
        "(there is sd_xl_turbo_1.0.safetensors)"
    )
    assert missing.way_out.startswith("put it among ComfyUI's models")
    assert (sound.level, sound.text) == (Level.GREEN, "selftest can run")


def test_a_missing_node_is_named(tmp_path: Path, object_info: ObjectInfo | None) -> None:
    put(tmp_path, "selftest", SaveImage="SaveImageFromAPack")
    [finding] = look(settings(workflows_path=tmp_path), object_info)
    assert "the node class 'SaveImageFromAPack'" in finding.text
    assert finding.way_out == "install the nodes' pack in ComfyUI"


def test_a_broken_file_is_red(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text('{"1": ')
    [finding] = look(settings(workflows_path=tmp_path), None)
    assert finding.level is Level.RED
    assert finding.text.startswith("torn: ")


def test_without_comfyui_no_more_is_said_than_is_known(tmp_path: Path) -> None:
    put(tmp_path, "selftest")
    [finding] = look(settings(workflows_path=tmp_path), None)
    assert finding.text == "selftest are read; without ComfyUI no more is known"


def test_an_empty_folder_is_yellow(tmp_path: Path) -> None:
    [finding] = look(settings(workflows_path=tmp_path), None)
    assert finding.level is Level.YELLOW
