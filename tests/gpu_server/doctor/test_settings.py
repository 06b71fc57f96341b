"""The `.env`, as the doctor reads it."""

from pathlib import Path

import pytest

from gpu_server.doctor.finding import Level
from gpu_server.doctor.settings import look

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """A `.env` as a first start writes it."""
    file = tmp_path / ".env"
    file.write_text((ROOT / "gpu_server" / ".env.template").read_text())
    return file


def test_the_template_is_as_it_should_be(env: Path) -> None:
    settings, [finding] = look(env)
    assert settings is not None
    assert finding.level is Level.GREEN


def test_a_misspelt_key_is_named_with_the_nearest(env: Path) -> None:
    env.write_text("JOB_TIMOUT=7\n")
    settings, [finding] = look(env)
    assert settings is not None
    assert finding.level is Level.YELLOW
    assert finding.text.startswith("JOB_TIMOUT is no setting of")
    assert finding.way_out == "write JOB_TIMEOUT"


def test_an_unknown_key_is_named(env: Path) -> None:
    env.write_text("COLOUR=blue\n")
    _, [finding] = look(env)
    assert finding.text.startswith("COLOUR is no setting of")
    assert finding.way_out == "remove it"


@pytest.mark.parametrize("line", ["log_level=DEBUG", "export LOG_LEVEL=DEBUG"])
def test_a_key_may_be_written_in_any_way(env: Path, line: str) -> None:
    env.write_text(f"{line}\n")
    settings, [finding] = look(env)
    assert settings is not None
    assert settings.log_level.value == "DEBUG"
    assert finding.level is Level.GREEN


def test_each_wrong_value_is_told(env: Path) -> None:
    env.write_text("LOG_LEVEL=LOUD\nJOB_TIMEOUT=soon\n")
    settings, found = look(env)
    assert settings is None
    assert [finding.level for finding in found] == [Level.RED] * 2
    assert {finding.text.split()[0] for finding in found} == {"LOG_LEVEL", "JOB_TIMEOUT"}


def test_no_file_is_told(tmp_path: Path) -> None:
    settings, [finding] = look(tmp_path / ".env")
    assert settings is not None
    assert finding.level is Level.YELLOW


def test_secrets_that_everybody_can_read_are_pointed_out(env: Path) -> None:
    env.write_text("GPU_SERVICE_SECRET=0123456789abcdef\n")
    env.chmod(0o644)
    _, [finding] = look(env)
    assert finding.level is Level.YELLOW
    assert finding.way_out == f"chmod 600 {env}"
    assert "0123456789abcdef" not in finding.line()
    env.chmod(0o600)
    _, [finding] = look(env)
    assert finding.level is Level.GREEN
