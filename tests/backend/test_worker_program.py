"""`python -m backend.worker`: what it refuses to start with."""

from pathlib import Path

import pytest

from backend.config import Settings, get_settings
from backend.worker import main

TWO = "http://gpu1:8001, http://gpu2:8001/"


@pytest.fixture(autouse=True)
def settings_of_the_environment_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever a developer has in `backend/.env`."""
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("environment", "arguments", "told"),
    [
        ({}, [], "there is no DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://x/y", "GPU_SERVICE_URL": TWO}, [], "--gpu-service"),
        (
            {"DATABASE_URL": "postgresql://x/y", "GPU_SERVICE_URL": TWO},
            ["--gpu-service", "http://gpu3:8001"],
            "http://gpu3:8001 is not in GPU_SERVICE_URL (http://gpu1:8001, http://gpu2:8001)",
        ),
    ],
    ids=["no database", "which one", "none of them"],
)
def test_wrong_setting_is_told_in_one_line(
    environment: dict[str, str],
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 2
    [line] = capsys.readouterr().out.splitlines()
    assert "CRITICAL" in line
    assert told in line
