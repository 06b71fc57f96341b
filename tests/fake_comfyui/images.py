"""Real pictures from nothing but Pillow."""

import hashlib
import io
import json
import random
import struct
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

GRAIN = 16
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PREVIEW_FRAME = 1
PREVIEW_WITH_METADATA_FRAME = 4
MAX_PREVIEW = 512

Batch = list[Image.Image]


def dream(size: tuple[int, int], *traits: object) -> Image.Image:
    """A picture that the traits alone decide: soft colour clouds."""
    digest = hashlib.sha256(repr(traits).encode()).digest()
    pixels = random.Random(digest).randbytes(GRAIN * GRAIN * 3)
    clouds = Image.frombytes("RGB", (GRAIN, GRAIN), pixels)
    return clouds.resize(size, Image.Resampling.BILINEAR)


def flat(size: tuple[int, int], color: int) -> Image.Image:
    return Image.new("RGB", size, (color >> 16 & 255, color >> 8 & 255, color & 255))


def fingerprint(batch: Batch) -> str:
    digest = hashlib.sha256()
    for image in batch:
        digest.update(repr(image.size).encode() + image.tobytes())
    return digest.hexdigest()


def save_png(image: Image.Image, path: Path, texts: dict[str, Any]) -> None:
    """Write a PNG with each text as JSON, as ComfyUI embeds `prompt` and `workflow`."""
    info = PngInfo()
    for name, value in texts.items():
        info.add_text(name, json.dumps(value))
    image.save(path, pnginfo=info, compress_level=1)


def open_picture(path: Path) -> Image.Image:
    """An upright picture; a broken one raises what ComfyUI's lenient loader raises."""
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError) as error:
        with path.open("rb") as file:
            is_png = file.read(8) == PNG_SIGNATURE
        if is_png:
            raise OSError("Truncated File Read") from error
        raise UnidentifiedImageError(f"cannot identify image file {path.name!r}") from error


def alpha_mask(image: Image.Image) -> Image.Image:
    """The masked area: where the picture is transparent. Without alpha, an empty 64x64."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return Image.new("L", (64, 64), 0)
    return ImageOps.invert(image.convert("RGBA").getchannel("A"))


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format=kind, quality=95, compress_level=1)
    return buffer.getvalue()


def preview_frame(image: Image.Image, kind: str) -> bytes:
    """A frame of type 1: type, format (1 JPEG, 2 PNG), picture."""
    code = 2 if kind == "PNG" else 1
    return struct.pack(">II", PREVIEW_FRAME, code) + encoded(image, kind)


def metadata_frame(image: Image.Image, kind: str, metadata: dict[str, Any]) -> bytes:
    """A frame of type 4: type, length of the JSON, JSON, picture."""
    text = json.dumps({**metadata, "image_type": f"image/{kind.lower()}"}).encode()
    head = struct.pack(">II", PREVIEW_WITH_METADATA_FRAME, len(text))
    return head + text + encoded(image, kind)
