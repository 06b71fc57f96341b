"""Pictures that clients send."""

import base64
import io
from typing import Any

from PIL import Image


def drawn(
    size: tuple[int, int] = (16, 8), color: tuple[int, int, int] = (255, 0, 0)
) -> Image.Image:
    """Plain, but for its first pixel: it can be told which way up it is."""
    image = Image.new("RGB", size, color)
    image.putpixel((0, 0), (0, 0, 255))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decoded(data: bytes) -> Image.Image:
    """A file's image, to its last byte."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
