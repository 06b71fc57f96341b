"""Settings: names, types, defaults, and where they come from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backend.config import HERE, LogLevel, Settings, get_settings

SPEC_PARAMETERS = [
    ("backend_host", str, "0.0.0.0", "127.0.0.1"),
    ("backend_port", int, 8000, "9000"),
    ("gpu_service_url", str, "http://localhost:8001", "http://gpu:1"),
    ("request_timeout", int, 180, "7"),
    ("log_level", str, "INFO", "DEBUG"),
    ("log_format", str, "standard", "json"),
    ("max_face_images", int, 5, "2"),
    ("max_image_size_mb", int, 10, "3"),
    ("api_title", str, "AI Image Generation API", "Pictures"),
    ("api_version", str, "1.0.0", "2.0.0"),
]
NAMES = [row[0] for row in SPEC_PARAMETERS]


@pytest.mark.parametrize(("name", "kind", "default", "_"), SPEC_PARAMETERS, ids=NAMES)
def test_parameter_has_its_type_and_default(name: str, kind: type, default: Any, _: str) -> None:
    """Spec: Configuration Management, Configuration Parameters."""
    value = getattr(Settings(_env_file=None), name)
    assert isinstance(value, kind)
    assert value == default


@pytest.mark.parametrize(("name", "kind", "default", "other"), SPEC_PARAMETERS, ids=NAMES)
def test_environment_overrides_the_default(
    name: str, kind: type, default: Any, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec: Configuration Management, Implementation Pattern: environment variables."""
    monkeypatch.setenv(name.upper(), other)
    assert getattr(Settings(_env_file=None), name) == kind(other)


@pytest.mark.parametrize(("name", "kind", "default", "other"), SPEC_PARAMETERS, ids=NAMES)
def test_env_file_overrides_the_default(
    name: str, kind: type, default: Any, other: str, tmp_path: Path
) -> None:
    """Spec: Configuration Management, Implementation Pattern: `.env` file loading."""
    (tmp_path / "env").write_text(f"{name.upper()}={other}\n")
    assert getattr(Settings(_env_file=tmp_path / "env"), name) == kind(other)


def test_environment_wins_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env").write_text("BACKEND_PORT=9001\n")
    monkeypatch.setenv("BACKEND_PORT", "9002")
    assert Settings(_env_file=tmp_path / "env").backend_port == 9002


def test_env_file_may_hold_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("TELEGRAM_TOKEN=x\nBACKEND_PORT=9001\n")
    assert Settings(_env_file=tmp_path / "env").backend_port == 9001


def test_env_file_is_the_one_beside_the_code_whatever_the_folder(tmp_path: Path) -> None:
    """Spec: Configuration Management, Implementation Pattern: `.env` file loading."""
    package, elsewhere = tmp_path / "code" / "backend", tmp_path / "elsewhere"
    package.mkdir(parents=True)
    elsewhere.mkdir()
    for name in ("__init__.py", "config.py", "login.py"):
        shutil.copy(HERE / name, package)
    (package / ".env").write_text("API_TITLE=beside the code\n")
    (elsewhere / ".env").write_text("API_TITLE=in the current folder\n")
    ran = subprocess.run(
        [sys.executable, "-c", "from backend.config import *; print(get_settings().api_title)"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "code")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "beside the code\n"


def test_settings_are_read_once() -> None:
    """Spec: Configuration Management, Implementation Pattern: cached with `lru_cache`."""
    first = get_settings()
    assert get_settings() is first
    assert get_settings.cache_info().hits == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKEND_PORT", "eighty"),
        ("BACKEND_PORT", "65536"),
        ("REQUEST_TIMEOUT", "0"),
        ("MAX_ATTEMPTS", "0"),
        ("WORKER_CONCURRENCY", "0"),
        ("MAX_IMAGE_MEGAPIXELS", "179"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("LOG_MAX_MB", "-1"),
        ("LOG_KEEP", "-1"),
        ("GPU_SERVICE_URL", ""),
        ("GPU_SERVICE_URL", " , ,"),
        ("DATABASE_URL", "mysql://db"),
        ("OUTPUTS_URL", "ftp://outputs"),
        ("MAX_QUEUED_TASKS", "0"),
        ("PRIORITY_AGEING", "-1"),
        ("MIN_FREE_MB", "-1"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_GB", "-1"),
        ("DRAIN_SECONDS", "-1"),
    ],
)
def test_wrong_value_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings(_env_file=None)


@pytest.mark.parametrize("text", ["debug", "Debug", "DEBUG"])
def test_log_level_is_taken_in_any_case(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", text)
    assert Settings(_env_file=None).log_level is LogLevel.DEBUG


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("http://a:1", ["http://a:1"]),
        ("http://a:1,http://b:2", ["http://a:1", "http://b:2"]),
        (" http://a:1 , http://b:2,, ", ["http://a:1", "http://b:2"]),
    ],
)
def test_gpu_service_url_may_be_a_list(
    text: str, urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_SERVICE_URL", text)
    assert Settings(_env_file=None).gpu_service_urls == urls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://u:p@db/tasks"),
        ("DATABASE_URL", "postgresql://db/tasks"),
        ("OUTPUTS_URL", "s3://bucket/prefix"),
    ],
)
def test_place_of_tasks_and_outputs_may_be_a_url(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(Settings(_env_file=None), name.lower()) == value


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        _env_file=None,
        gpu_service_secret="a secret of ours",
        webhook_secret="whsec_" + "c2VjcmV0" * 4,
        database_url="postgresql://me:a-password@host/name",
    )
    shown = repr(settings) + str(settings)
    for secret in ("a secret of ours", "c2VjcmV0", "a-password"):
        assert secret not in shown
