"""What `POST /generate` answers."""

from typing import Literal

from pydantic import BaseModel


class GenerateResponse(BaseModel):
    """The first image, or why there is none."""

    status: Literal["done", "failed"]
    image: str | None = None
    """The image file, base64; the stub engine's placeholder is none."""
    error: str | None = None
