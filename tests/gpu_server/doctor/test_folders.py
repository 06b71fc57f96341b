"""The folders, as the doctor looks at them."""

from pathlib import Path

import pytest

from gpu_server.doctor.finding import Level
from gpu_server.doctor.folders import look
from tests.gpu_server.serving import settings


def test_what_is_there_is_one_green_line(tmp_path: Path) -> None:
    given = settings(workflows_path=tmp_path, models_path=tmp_path, object_info_path=tmp_path / "o")
    [finding] = look(given)
    assert finding.level is Level.GREEN


@pytest.mark.parametrize(("engine", "level"), [("stub", Level.YELLOW), ("comfyui", Level.RED)])
def test_no_workflows_folder_is_worse_with_comfyui(
    tmp_path: Path, engine: str, level: Level
) -> None:
    gone = tmp_path / "gone"
    given = settings(
        workflows_path=gone,
        models_path=tmp_path,
        generation_engine=engine,
        object_info_path=tmp_path / "o",
    )
    [finding] = look(given)
    assert finding.level is level
    assert finding.text == f"{gone} is no folder to read"


def test_no_models_folder_is_yellow(tmp_path: Path) -> None:
    given = settings(
        workflows_path=tmp_path, models_path=tmp_path / "gone", object_info_path=tmp_path / "o"
    )
    [finding] = look(given)
    assert finding.level is Level.YELLOW
