"""Images that clients send, checked and put among ComfyUI's inputs."""

import asyncio
import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from PIL import Image, ImageOps, UnidentifiedImageError

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.errors import InvalidParameter
from gpu_server.heavy import in_pieces
from gpu_server.large_texts import from_base64
from gpu_server.workflows.parameters import Parameter, ParameterType

FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
SUBFOLDER = "gateway"
ORIENTATION = 0x0112
REMEMBERED = 10_000
MAX_HEAD = 200
"""Of a data URL."""


@dataclass(frozen=True)
class CheckedImage:
    """An image as ComfyUI gets it, under a name made from its content."""

    name: str
    data: bytes


class InputImages:
    """Uploads each image once for each ComfyUI."""

    def __init__(self, api: ComfyUIAPI, max_megapixels: int) -> None:
        self._api = api
        self._max_megapixels = max_megapixels
        self._uploaded: dict[str, str] = {}
        self._uploading = asyncio.Lock()

    def forget(self) -> None:
        """ComfyUI may be another one, with other files."""
        self._uploaded.clear()

    async def check(
        self, parameters: Mapping[str, Parameter], values: Mapping[str, Any]
    ) -> dict[str, CheckedImage]:
        """The values that are images, by the parameters' names.

        Raises InvalidParameter, naming the parameter, for what is no image or too large a one.
        """
        return {name: await self._check(name, text) for name, text in _images(parameters, values)}

    async def place(
        self, images: Mapping[str, CheckedImage], *, anew: bool = False
    ) -> dict[str, str]:
        """Upload them: what their loaders take, by the same names.

        `anew` uploads even what has been uploaded before. Raises ComfyUIError.
        """
        return {name: await self._upload(image, anew) for name, image in images.items()}

    async def _upload(self, image: CheckedImage, anew: bool) -> str:
        async with self._uploading:  # Nobody writes a file that another job has begun to read.
            stored = None if anew else self._uploaded.get(image.name)
            if stored is None:
                if len(self._uploaded) >= REMEMBERED:
                    self.forget()
                stored = await self._api.upload(image.name, image.data, SUBFOLDER)
                self._uploaded[image.name] = stored
            return stored

    async def _check(self, parameter: str, text: str) -> CheckedImage:
        data = await _decoded(parameter, text)
        return await anyio.to_thread.run_sync(self._checked, parameter, data)

    def _checked(self, parameter: str, data: bytes) -> CheckedImage:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
                    self._check_size(parameter, image)
                    image.load()
                    data, ending = _upright(image, data)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
            reason = "" if isinstance(exc, UnidentifiedImageError) else f" ({exc})"
            raise InvalidParameter(
                f"{parameter} is no PNG, JPEG or WebP image that can be read{reason}.",
                parameter=parameter,
            ) from exc
        return CheckedImage(f"{hashlib.sha256(data).hexdigest()[:40]}.{ending}", data)

    def _check_size(self, parameter: str, image: Image.Image) -> None:
        """By the header, before the pixels are decoded."""
        if image.width * image.height > self._max_megapixels * 1_000_000:
            raise InvalidParameter(
                f"{parameter} has {image.width}x{image.height} pixels, more than "
                f"{self._max_megapixels} megapixels (MAX_IMAGE_MEGAPIXELS). Scale it down.",
                parameter=parameter,
            )


def _images(
    parameters: Mapping[str, Parameter], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in values.items()
        if name in parameters
        and parameters[name].type is ParameterType.IMAGE
        and isinstance(value, str)
    ]


async def _decoded(parameter: str, text: str) -> bytes:
    """Base64, with or without a data URL's head and line breaks."""
    start = text.find("base64,", 0, MAX_HEAD)
    try:
        return await in_pieces(from_base64(text, 0 if start < 0 else start + len("base64,")))
    except ValueError as exc:
        raise InvalidParameter(
            f"{parameter} is not base64: encode the image file itself.", parameter=parameter
        ) from exc


def _upright(image: Image.Image, data: bytes) -> tuple[bytes, str]:
    """The file as it came, or turned as its EXIF says: ComfyUI's loaders differ in that."""
    if image.getexif().get(ORIENTATION, 1) == 1:
        return data, FORMATS[str(image.format)]
    turned = io.BytesIO()
    ImageOps.exif_transpose(image).save(turned, "PNG")
    return turned.getvalue(), "png"
