"""Checking the images that a client sends, before anything is spent on them."""

import asyncio
import io
import warnings

from PIL import Image, UnidentifiedImageError

from backend.errors import InvalidInput
from backend.heavy import in_pieces
from backend.large_texts import base64_size, from_base64

MAX_HEAD = 200
"""Of a data URL."""
MOST_OF_HEADERS = 1024 * 1024
"""Characters, which hold the headers of nearly every image."""
FORMATS = ("PNG", "JPEG", "WEBP")


class ImageCheck:
    """Bounds on one image: bytes as a file, and pixels before they are decoded."""

    def __init__(self, max_megabytes: int, max_megapixels: int) -> None:
        self._max_megabytes = max_megabytes
        self._max_megapixels = max_megapixels

    async def check(self, field: str, text: str) -> None:
        """Raise InvalidInput, naming `field` and the limit, unless `text` is such an image.

        It is in base64, with or without a data URL's head and line breaks.
        """
        start = text.find("base64,", 0, MAX_HEAD)
        begin = 0 if start < 0 else start + len("base64,")
        try:
            size = await in_pieces(base64_size(text, begin))
        except ValueError as exc:
            raise InvalidInput(
                f"{field} is not base64: encode the image file itself.", parameter=field
            ) from exc
        self._check_size(field, size)
        self._check_pixels(field, await asyncio.to_thread(_pixels_of_text, field, text, begin))

    def check_file(self, field: str, data: bytes) -> None:
        """The same for the image's file itself."""
        self._check_size(field, len(data))
        self._check_pixels(field, _pixels(field, data))

    def _check_size(self, field: str, size: int) -> None:
        if size > self._max_megabytes * 1024 * 1024:
            raise InvalidInput(
                f"{field} is larger than {self._max_megabytes} MB (MAX_IMAGE_SIZE_MB). "
                "Send a smaller file.",
                parameter=field,
            )

    def _check_pixels(self, field: str, pixels: int | None) -> None:
        if pixels is None or pixels > self._max_megapixels * 1_000_000:
            raise InvalidInput(
                f"{field} has more than {self._max_megapixels} megapixels "
                "(MAX_IMAGE_MEGAPIXELS). Scale it down.",
                parameter=field,
            )


def _pixels_of_text(field: str, text: str, begin: int) -> int | None:
    end = begin + MOST_OF_HEADERS
    try:
        return _pixels(field, from_base64(text[begin:end]))
    except InvalidInput:
        if len(text) <= end:
            raise
        return _pixels(field, from_base64(text[begin:]))


def _pixels(field: str, data: bytes) -> int | None:
    """From the header alone; None where they are more than Pillow opens."""
    try:
        with warnings.catch_warnings():
            # Only the header is read here: the bound on pixels is ours.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return int(image.width * image.height)
    except Image.DecompressionBombError:
        return None
    except (UnidentifiedImageError, OSError, ValueError) as exc:
        raise InvalidInput(
            f"{field} is no PNG, JPEG or WebP image that can be read.", parameter=field
        ) from exc
