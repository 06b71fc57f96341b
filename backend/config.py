"""The backend's settings: environment first, then `.env` beside this file."""

import base64
from enum import Enum
from functools import lru_cache
from pathlib import Path

import limits
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.login import login_of

WEBHOOK_SECRET_BYTES = (24, 64)
"""As Standard Webhooks has it."""

HERE = Path(__file__).resolve().parent
LEAST_SECRET = 16


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
    log_max_mb: int = Field(50, ge=0)
    log_keep: int = Field(7, ge=0)
    max_face_images: int = Field(5, ge=0)
    max_image_size_mb: int = Field(10, ge=1)
    api_title: str = "AI Image Generation API"
    api_version: str = "1.0.0"

    data_path: Path = HERE.parent / "data"
    database_url: str = Field("", repr=False)
    outputs_url: str = Field("", repr=False)
    max_body_mb: int = Field(100, ge=1)
    max_bodies_mb: int = Field(400, ge=1)
    max_connections: int = Field(10_000, ge=1)
    max_image_megapixels: int = Field(50, ge=1, le=178)  # Pillow opens no image with more.
    max_attempts: int = Field(5, ge=1)
    worker_concurrency: int = Field(2, ge=1)
    max_queued_tasks: int = Field(10_000, ge=1)
    priority_ageing: float = Field(600, ge=0)
    min_free_mb: int = Field(500, ge=0)
    retention_days: float = Field(30, ge=0)
    retention_gb: float = Field(20, ge=0)
    drain_seconds: float = Field(5, ge=0)
    hold_seconds: float = Field(20, ge=0, le=60)
    worker_metrics_port: int = Field(0, ge=0, le=65535)
    stalled_after: float = Field(20, ge=1)
    mode_workflows: dict[str, str] = {"free": "free_generation"}
    styles_path: Path = HERE / "styles.json"
    gpu_service_secret: str = Field("", repr=False)
    gpu_service_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    outbound_allow: str = ""
    webhook_secret: str = Field("", repr=False)
    require_api_key: bool = False
    rate_limit_per_key: str = ""
    rate_limit_per_address: str = ""
    cors_origins: list[str] = ["*"]

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: str) -> str:
        if url and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("It is postgresql://user:password@host/name, or empty for SQLite")
        return url

    @field_validator("outputs_url")
    @classmethod
    def _is_s3(cls, url: str) -> str:
        if url and not url.startswith("s3://"):
            raise ValueError("It is s3://bucket/prefix, or empty for the data folder")
        return url

    @field_validator("gpu_service_url")
    @classmethod
    def _names_one(cls, urls: str) -> str:
        given = [url.strip() for url in urls.split(",") if url.strip()]
        if not given or not all(url.startswith(("http://", "https://")) for url in given):
            raise ValueError("It is a URL such as http://localhost:8001, or several with commas")
        return urls

    @field_validator("gpu_service_secret")
    @classmethod
    def _is_long(cls, secret: str) -> str:
        if secret and (len(secret) < LEAST_SECRET or not secret.isascii()):
            raise ValueError(f"It has {LEAST_SECRET} ASCII characters or more, or is empty")
        return secret

    @field_validator("webhook_secret")
    @classmethod
    def _is_secret(cls, text: str) -> str:
        if text and not is_webhook_secret(text):
            raise ValueError("It is whsec_ and base64 of 24 bytes or more, or empty")
        return text

    @field_validator("rate_limit_per_key", "rate_limit_per_address")
    @classmethod
    def _is_limit(cls, text: str) -> str:
        if text:
            try:
                limits.parse(text)
            except ValueError as exc:
                raise ValueError("It is as 60/minute or 1000/hour, or empty for none") from exc
        return text

    @property
    def secrets(self) -> list[str]:
        """What no log is to show."""
        urls = (*self.gpu_service_urls, self.database_url, self.outputs_url)
        given = (self.gpu_service_secret, self.webhook_secret, *map(login_of, urls))
        return [each for each in given if each]

    @property
    def gpu_service_urls(self) -> list[str]:
        """One, or several with commas between."""
        urls = (url.strip().rstrip("/") for url in self.gpu_service_url.split(","))
        return list(dict.fromkeys(url for url in urls if url))


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()


def is_webhook_secret(text: str) -> bool:
    """Whether it is `whsec_…` of a length that Standard Webhooks allows."""
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    least, most = WEBHOOK_SECRET_BYTES
    return text.startswith("whsec_") and least <= len(secret) <= most
