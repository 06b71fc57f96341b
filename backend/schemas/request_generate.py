"""What `POST /generate` takes."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backend.large_texts import replaced
from backend.tasks import ImageFormat, OutputOptions, TaskState

MAX_DEPTH = 64
"""Levels of nesting in `extra_params`: what reads it later may have little stack left."""


def _encodable(value: str) -> str:
    if value.isascii():  # At once, also for the many MB of an image.
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ValueError("unpaired surrogates cannot be sent as JSON") from exc
    return value


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, each) for each in inner)


def sendable(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Parameters that can be sent on as JSON. Raises ValueError."""
    if _deeper_than(MAX_DEPTH, value):
        raise ValueError(f"nested in more than {MAX_DEPTH} levels")
    try:
        light = replaced(value, lambda text: _encodable(text)[:1])
        json.dumps(light, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError as exc:
        raise ValueError("NaN, Infinity and unpaired surrogates cannot be sent as JSON") from exc
    return value


ENDS = [state for state in TaskState if state.ended]

Text = Annotated[str, AfterValidator(_encodable)]


class OutputRequest(BaseModel):
    """How images are wanted; without it they are as the workflow makes them."""

    model_config = ConfigDict(extra="forbid")

    format: ImageFormat | None = Field(None, description="None: as the workflow makes them.")
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG and WebP.")
    keep_metadata: bool = Field(
        False,
        strict=True,
        description="Leave ComfyUI's embedded prompt and workflow in the images.",
    )

    def options(self) -> OutputOptions:
        """As the task keeps them."""
        return OutputOptions(self.format, self.quality, self.keep_metadata)


class WebhookRequest(BaseModel):
    """Who is to be told how the task goes on."""

    model_config = ConfigDict(extra="forbid")

    url: Text = Field(description="Gets a POST for each event, signed as Standard Webhooks has it.")
    events: list[TaskState] = Field(
        ENDS, min_length=1, description="States of the task that it is told of."
    )


class GenerateRequest(BaseModel):
    """The specification's six fields, and what goes beyond; others are ignored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mode": "free",
                    "prompt": "a lighthouse at dawn",
                    "style": "realistic",
                    "extra_params": {"width": 1024, "height": 1024, "seed": 7},
                }
            ]
        }
    )

    mode: Text = Field(description="Generation mode: what to run.")
    prompt: Text | None = Field(None, description="Text prompt.")
    style: Text | None = Field(None, description="Style identifier: a named prompt template.")
    # The first wrong item is enough: there may be millions.
    face_images: list[Text] | None = Field(None, fail_fast=True, description="Base64 face images.")
    target_image: Text | None = Field(None, description="Base64 target image.")
    extra_params: Annotated[dict[str, Any] | None, AfterValidator(sendable)] = Field(
        None, description="Further parameters of the mode's workflow."
    )
    output: OutputRequest | None = None
    webhook: WebhookRequest | None = None
