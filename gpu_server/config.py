"""The GPU service's settings: environment first, then `.env` beside this file."""

import shlex
import shutil
from enum import Enum
from functools import lru_cache
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gpu_server.login import login_of

HERE = Path(__file__).resolve().parent
LEAST_SECRET = 16


class Engine(str, Enum):
    """What runs a workflow: a placeholder, or ComfyUI."""

    STUB = "stub"
    COMFYUI = "comfyui"


class LogLevel(str, Enum):
    """Python's levels."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @classmethod
    def _missing_(cls, value: object) -> "LogLevel | None":
        """In any case: `debug` is `DEBUG`."""
        return cls.__members__.get(str(value).upper())


class LogFormat(str, Enum):
    """One line of text a record, or one JSON object."""

    STANDARD = "standard"
    JSON = "json"


class Settings(BaseSettings):
    """Each field is read from the environment variable of its name in capitals."""

    model_config = SettingsConfigDict(
        env_file=HERE / ".env", env_file_encoding="utf-8", extra="ignore"
    )

    gpu_server_host: str = "0.0.0.0"  # noqa: S104 - the specification's default
    gpu_server_port: int = Field(8001, ge=0, le=65535)
    comfyui_api_url: str = "http://localhost:8188"
    models_path: Path = Path("/workspace/models")
    workflows_path: Path = Path("/workspace/gpu_server/workflows")
    log_level: LogLevel = LogLevel.INFO
    max_concurrent_tasks: int = Field(1, ge=1)

    generation_engine: Engine = Engine.STUB
    log_format: LogFormat = LogFormat.STANDARD
    log_max_mb: int = Field(50, ge=0)
    log_keep: int = Field(7, ge=0)
    gpu_service_secret: str = Field("", repr=False)
    tls_cert_file: str = ""
    tls_key_file: str = ""
    max_body_mb: int = Field(100, ge=1)
    max_image_megapixels: int = Field(50, ge=1)
    object_info_path: Path = HERE.parent / "data" / "object_info.json"
    """Where ComfyUI's node definitions are kept, for when it is away."""
    job_timeout: float = Field(170, gt=0)
    """Seconds that one workflow may wait in ComfyUI's queue, and then again run."""

    warmup_workflow: str = ""
    free_vram_after_minutes: float = Field(0, ge=0)
    comfyui_dead_after: float = Field(60, gt=0)
    """Seconds without an answer, after which ComfyUI is taken for dead."""
    comfyui_restart_command: str = ""

    @field_validator("comfyui_restart_command")
    @classmethod
    def _can_be_run(cls, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError as exc:
            raise ValueError(f"It cannot be split into words: {exc}") from exc
        if words and shutil.which(words[0]) is None:
            raise ValueError(f"There is no program {words[0]}, or it is not executable")
        return command.strip()

    @field_validator("gpu_service_secret")
    @classmethod
    def _is_long(cls, secret: str) -> str:
        if secret and (len(secret) < LEAST_SECRET or not secret.isascii()):
            raise ValueError(f"It has {LEAST_SECRET} ASCII characters or more, or is empty")
        return secret

    @property
    def secrets(self) -> list[str]:
        """What no log is to show."""
        return [each for each in (self.gpu_service_secret, login_of(self.comfyui_api_url)) if each]


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
