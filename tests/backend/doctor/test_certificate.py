"""The certificate, as the doctor tells it."""

from pathlib import Path

import pytest

from backend.doctor.certificate import look
from backend.doctor.finding import Finding, Level
from tests.backend.serving import make_settings
from tests.certificates import DAY, Authority, Pair


def found(pair: Pair, tmp_path: Path) -> Finding:
    """What is said of it."""
    files = {name.lower(): value for name, value in pair.settings.items()}
    [finding] = look(make_settings(tmp_path, **files))
    return finding


@pytest.mark.parametrize(("days", "level"), [(90, Level.GREEN), (10, Level.YELLOW)])
def test_it_is_told_how_long_it_is_good(days: int, level: Level, tmp_path: Path) -> None:
    finding = found(Authority(tmp_path).issue(ends=days * DAY), tmp_path)
    assert finding.level is level
    assert f"for another {days} days" in finding.text


def test_one_that_has_ended_is_red(tmp_path: Path) -> None:
    finding = found(Authority(tmp_path).issue(begins=-9 * DAY, ends=-DAY), tmp_path)
    assert finding.level is Level.RED
    assert "has expired" in finding.text


def test_without_one_nothing_is_said(tmp_path: Path) -> None:
    assert list(look(make_settings(tmp_path))) == []
