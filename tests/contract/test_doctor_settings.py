"""The `.env` of either service, as its doctor reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import backend.doctor.settings
import gpu_server.doctor.settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Doctor:
    """One service's, and a setting of it that is a number of seconds."""

    look: Callable[[Path], tuple[Any, list[Any]]]
    service: str
    meant: str
    misspelt: str


DOCTORS = [
    Doctor(backend.doctor.settings.look, "backend", "REQUEST_TIMEOUT", "REQUEST_TIMOUT"),
    Doctor(gpu_server.doctor.settings.look, "gpu_server", "JOB_TIMEOUT", "JOB_TIMOUT"),
]


@pytest.fixture(params=DOCTORS, ids=lambda doctor: doctor.service)
def doctor(request: pytest.FixtureRequest) -> Doctor:
    chosen: Doctor = request.param
    return chosen


@pytest.fixture
def env(doctor: Doctor, tmp_path: Path) -> Path:
    """A `.env` as a first start writes it."""
    file = tmp_path / ".env"
    file.write_text((ROOT / doctor.service / ".env.template").read_text())
    return file


def test_the_template_is_as_it_should_be(doctor: Doctor, env: Path) -> None:
    settings, [finding] = doctor.look(env)
    assert settings is not None
    assert finding.level.value == "green"


def test_a_misspelt_key_is_named_with_the_nearest(doctor: Doctor, env: Path) -> None:
    env.write_text(f"{doctor.misspelt}=7\n")
    settings, [finding] = doctor.look(env)
    assert settings is not None
    assert finding.level.value == "yellow"
    assert finding.text.startswith(f"{doctor.misspelt} is no setting of")
    assert finding.way_out == f"write {doctor.meant}"


def test_an_unknown_key_is_named(doctor: Doctor, env: Path) -> None:
    env.write_text("COLOUR=blue\n")
    _, [finding] = doctor.look(env)
    assert finding.text.startswith("COLOUR is no setting of")
    assert finding.way_out == "remove it"


@pytest.mark.parametrize("line", ["log_level=DEBUG", "export LOG_LEVEL=DEBUG"])
def test_a_key_may_be_written_in_any_way(doctor: Doctor, env: Path, line: str) -> None:
    env.write_text(f"{line}\n")
    settings, [finding] = doctor.look(env)
    assert settings is not None
    assert settings.log_level.value == "DEBUG"
    assert finding.level.value == "green"


def test_each_wrong_value_is_told(doctor: Doctor, env: Path) -> None:
    env.write_text(f"LOG_LEVEL=LOUD\n{doctor.meant}=soon\n")
    settings, found = doctor.look(env)
    assert settings is None
    assert [finding.level.value for finding in found] == ["red"] * 2
    assert {finding.text.split()[0] for finding in found} == {"LOG_LEVEL", doctor.meant}


def test_no_file_is_told(doctor: Doctor, tmp_path: Path) -> None:
    settings, [finding] = doctor.look(tmp_path / ".env")
    assert settings is not None
    assert finding.level.value == "yellow"


def test_secrets_that_everybody_can_read_are_pointed_out(doctor: Doctor, env: Path) -> None:
    env.write_text("GPU_SERVICE_SECRET=0123456789abcdef\n")
    env.chmod(0o644)
    _, [finding] = doctor.look(env)
    assert finding.level.value == "yellow"
    assert finding.way_out == f"chmod 600 {env}"
    assert "0123456789abcdef" not in finding.line()
    env.chmod(0o600)
    _, [finding] = doctor.look(env)
    assert finding.level.value == "green"
