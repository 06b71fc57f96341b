"""Spec: GPU Service Structure, Configuration; Environment Variables Summary."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest

from gpu_server import config
from gpu_server.config import Engine, LogFormat, LogLevel, Settings, get_settings
from tests.gpu_server.programs import GPU_SERVER

SPECIFIED: list[tuple[str, type, Any]] = [
    ("gpu_server_host", str, "0.0.0.0"),
    ("gpu_server_port", int, 8001),
    ("comfyui_api_url", str, "http://localhost:8188"),
    ("models_path", Path, Path("/workspace/models")),
    ("workflows_path", Path, Path("/workspace/gpu_server/workflows")),
    ("log_level", str, "INFO"),
    ("max_concurrent_tasks", int, 1),
]
OWN: list[tuple[str, Any]] = [
    ("generation_engine", Engine.STUB),
    ("log_format", LogFormat.STANDARD),
    ("log_max_mb", 50),
    ("log_keep", 7),
    ("max_body_mb", 100),
    ("max_image_megapixels", 50),
    ("object_info_path", GPU_SERVER.parent / "data" / "object_info.json"),
    ("job_timeout", 170),
    ("warmup_workflow", ""),
    ("tls_cert_file", ""),
    ("tls_key_file", ""),
    ("free_vram_after_minutes", 0),
    ("comfyui_dead_after", 60),
    ("comfyui_restart_command", ""),
]
OTHER_VALUES: list[tuple[str, str, Any]] = [
    ("GPU_SERVICE_SECRET", "sixteen letters!", "sixteen letters!"),
    ("GPU_SERVER_HOST", "127.0.0.1", "127.0.0.1"),
    ("GPU_SERVER_PORT", "9001", 9001),
    ("COMFYUI_API_URL", "http://comfy:1", "http://comfy:1"),
    ("MODELS_PATH", "/m", Path("/m")),
    ("WORKFLOWS_PATH", "/w", Path("/w")),
    ("LOG_LEVEL", "DEBUG", LogLevel.DEBUG),
    ("MAX_CONCURRENT_TASKS", "3", 3),
    ("GENERATION_ENGINE", "comfyui", Engine.COMFYUI),
    ("LOG_FORMAT", "json", LogFormat.JSON),
    ("LOG_MAX_MB", "0", 0),
    ("LOG_KEEP", "0", 0),
    ("MAX_BODY_MB", "7", 7),
    ("MAX_IMAGE_MEGAPIXELS", "9", 9),
    ("OBJECT_INFO_PATH", "/o.json", Path("/o.json")),
    ("JOB_TIMEOUT", "60", 60),
    ("TLS_CERT_FILE", "/c.pem", "/c.pem"),
    ("TLS_KEY_FILE", "/k.pem", "/k.pem"),
    ("WARMUP_WORKFLOW", "selftest", "selftest"),
    ("FREE_VRAM_AFTER_MINUTES", "0.5", 0.5),
    ("COMFYUI_DEAD_AFTER", "20", 20),
    ("COMFYUI_RESTART_COMMAND", "sh -c 'exit 0'", "sh -c 'exit 0'"),
]
WRONG_VALUES = [
    ("GPU_SERVICE_SECRET", "short"),
    ("GPU_SERVER_PORT", "eight"),
    ("GPU_SERVER_PORT", "65536"),
    ("MAX_CONCURRENT_TASKS", "0"),
    ("GENERATION_ENGINE", "comfy"),
    ("LOG_LEVEL", "LOUD"),
    ("LOG_MAX_MB", "-1"),
    ("LOG_KEEP", "-1"),
    ("JOB_TIMEOUT", "0"),
    ("FREE_VRAM_AFTER_MINUTES", "-1"),
    ("COMFYUI_DEAD_AFTER", "0"),
    ("COMFYUI_RESTART_COMMAND", "sh -c 'unbalanced"),
    ("COMFYUI_RESTART_COMMAND", "/no/such/program --now"),
    ("MAX_BODY_MB", "0"),
    ("MAX_IMAGE_MEGAPIXELS", "0"),
]


@pytest.mark.parametrize(("name", "kind", "default"), SPECIFIED)
def test_specified_setting_has_its_type_and_default(name: str, kind: type, default: Any) -> None:
    value = getattr(Settings(_env_file=None), name)
    assert isinstance(value, kind)
    assert value == default


@pytest.mark.parametrize(("name", "default"), OWN)
def test_setting_beyond_the_specification_has_a_default(name: str, default: Any) -> None:
    assert getattr(Settings(_env_file=None), name) == default


@pytest.mark.parametrize(("variable", "text", "value"), OTHER_VALUES)
def test_environment_overrides_the_default(
    variable: str, text: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(Settings(_env_file=None), variable.lower()) == value


def test_every_setting_can_be_overridden() -> None:
    """The table above leaves none out."""
    assert {name.lower() for name, _, _ in OTHER_VALUES} == set(Settings.model_fields)


@pytest.mark.parametrize(("variable", "text"), WRONG_VALUES)
def test_wrong_value_is_refused_by_name(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(pydantic.ValidationError, match=variable.lower()):
        Settings(_env_file=None)


@pytest.mark.parametrize("text", ["debug", "Debug", "DEBUG"])
def test_log_level_is_taken_in_any_case(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", text)
    assert Settings(_env_file=None).log_level is LogLevel.DEBUG


def test_environment_goes_before_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("GPU_SERVER_PORT=1001\nLOG_LEVEL=ERROR\n")
    monkeypatch.setenv("GPU_SERVER_PORT", "1002")
    settings = Settings(_env_file=tmp_path / ".env")
    assert (settings.gpu_server_port, settings.log_level) == (1002, "ERROR")


def test_env_file_may_hold_what_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TELEGRAM_TOKEN=x\nGPU_SERVER_PORT=1001\n")
    assert Settings(_env_file=tmp_path / ".env").gpu_server_port == 1001


def test_default_env_file_is_the_one_beside_the_code() -> None:
    assert Settings.model_config["env_file"] == Path(config.__file__).resolve().parent / ".env"


def test_env_file_beside_the_code_is_read_whatever_the_current_folder(tmp_path: Path) -> None:
    """A copy of the package, started from a folder that has an `.env` of its own."""
    package, elsewhere = tmp_path / "gpu_server", tmp_path / "elsewhere"
    package.mkdir()
    elsewhere.mkdir()
    for file in ("__init__.py", "config.py", "login.py"):
        shutil.copy(GPU_SERVER / file, package)
    (package / ".env").write_text("GPU_SERVER_PORT=1001\n")
    (elsewhere / ".env").write_text("GPU_SERVER_PORT=1002\n")
    program = "from gpu_server.config import get_settings; print(get_settings().gpu_server_port)"
    printed = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0:0] = [{str(tmp_path)!r}]; {program}"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() == "1001"


def test_settings_are_read_once() -> None:
    """Spec: "Cache settings instance with `lru_cache`"."""
    assert get_settings() is get_settings()


def test_secret_is_not_shown() -> None:
    settings = Settings(_env_file=None, gpu_service_secret="a secret of ours")
    assert "a secret of ours" not in repr(settings) + str(settings)
