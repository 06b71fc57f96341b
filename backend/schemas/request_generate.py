"""What `POST /generate` takes."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_DEPTH = 64
"""Levels of nesting in `extra_params`: what reads it later may have little stack left."""


def _encodable(value: str) -> str:
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


def _sendable(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if _deeper_than(MAX_DEPTH, value):
        raise ValueError(f"nested in more than {MAX_DEPTH} levels")
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError as exc:
        raise ValueError("NaN, Infinity and unpaired surrogates cannot be sent as JSON") from exc
    return value


Text = Annotated[str, AfterValidator(_encodable)]


class GenerateRequest(BaseModel):
    """The specification's six fields; others are ignored."""

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
    extra_params: Annotated[dict[str, Any] | None, AfterValidator(_sendable)] = Field(
        None, description="Further parameters of the mode's workflow."
    )
