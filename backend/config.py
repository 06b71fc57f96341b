"""The backend's settings: environment first, then `.env` beside this file."""

from enum import Enum
from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

HERE = Path(__file__).resolve().parent


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

    backend_host: str = "0.0.0.0"  # noqa: S104 - the specification's default
    backend_port: int = Field(8000, ge=0, le=65535)
    gpu_service_url: str = "http://localhost:8001"
    request_timeout: int = Field(180, ge=1)
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.STANDARD
    max_face_images: int = Field(5, ge=0)
    max_image_size_mb: int = Field(10, ge=1)
    api_title: str = "AI Image Generation API"
    api_version: str = "1.0.0"

    data_path: Path = HERE.parent / "data"
    max_body_mb: int = Field(100, ge=1)
    max_image_megapixels: int = Field(50, ge=1, le=178)  # Pillow opens no image with more.
    max_attempts: int = Field(5, ge=1)
    worker_concurrency: int = Field(2, ge=1)
    mode_workflows: dict[str, str] = {"free": "free_generation"}
    styles_path: Path = HERE / "styles.json"
    cors_origins: list[str] = ["*"]


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
