"""What `POST /generate` takes."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _sendable(value: dict[str, Any] | None) -> dict[str, Any] | None:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError as exc:
        raise ValueError("NaN, Infinity and unpaired surrogates cannot be sent as JSON") from exc
    return value


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

    mode: str = Field(description="Generation mode: what to run.")
    prompt: str | None = Field(None, description="Text prompt.")
    style: str | None = Field(None, description="Style identifier: a named prompt template.")
    face_images: list[str] | None = Field(None, description="Base64 face images.")
    target_image: str | None = Field(None, description="Base64 target image.")
    extra_params: Annotated[dict[str, Any] | None, AfterValidator(_sendable)] = Field(
        None, description="Further parameters of the mode's workflow."
    )
