"""Where tasks are kept, as the doctor looks at it."""

import shutil
from pathlib import Path

import pytest

from backend.config import Settings
from backend.doctor.finding import Finding, Level
from backend.doctor.storage import look
from tests.backend.serving import make_settings
from tests.postgresql_server import postgresql_server


def found(settings: Settings) -> dict[str, Finding]:
    """The findings by their subjects."""
    return {finding.subject: finding for finding in look(settings)}


def test_a_sound_data_folder_is_green(tmp_path: Path) -> None:
    findings = found(make_settings(tmp_path, min_free_mb=0))
    assert {name: finding.level for name, finding in findings.items()} == {
        "data": Level.GREEN,
        "disk": Level.GREEN,
    }


def test_nothing_is_left_in_it(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, data_path=tmp_path / "not" / "there")
    found(settings)
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_red(tmp_path: Path) -> None:
    finding = found(make_settings(tmp_path, data_path=Path("/proc/1")))["data"]
    assert finding.level is Level.RED
    assert finding.text.startswith("/proc/1 cannot be written: ")


@pytest.mark.parametrize(("share", "level"), [(1.1, Level.RED), (0.4, Level.YELLOW)])
def test_a_disk_that_gets_full_is_told(tmp_path: Path, share: float, level: Level) -> None:
    free = shutil.disk_usage(tmp_path).free / 2**20
    finding = found(make_settings(tmp_path, min_free_mb=int(share * free)))["disk"]
    assert finding.level is level
    assert "RETENTION_GB" in finding.way_out


def test_a_broken_styles_file_is_red(tmp_path: Path) -> None:
    styles = tmp_path / "styles.json"
    styles.write_text("{")
    finding = found(make_settings(tmp_path, styles_path=styles))["styles"]
    assert finding.level is Level.RED


def test_a_database_that_does_not_answer_is_red_and_keeps_its_password(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, database_url="postgresql://me:hush@127.0.0.1:9/db")
    finding = found(settings)["database"]
    assert finding.level is Level.RED
    assert "hush" not in finding.line()


def test_a_database_that_answers_is_green(tmp_path: Path) -> None:
    with postgresql_server() as server:
        settings = make_settings(tmp_path, database_url=server.new_database())
        finding = found(settings)["database"]
    assert finding.level is Level.GREEN
    assert finding.text.startswith("PostgreSQL ")
