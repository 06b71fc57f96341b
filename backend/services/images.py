"""Checking the images that a client sends, before anything is spent on them."""

import base64
import binascii
import io
import warnings

from PIL import Image, UnidentifiedImageError

from backend.errors import InvalidInput

PIECE = 1024 * 1024
"""Characters of base64 that are decoded at a time."""
MAX_HEAD = 200
"""Of a data URL."""
FORMATS = ("PNG", "JPEG", "WEBP")


class ImageCheck:
    """Bounds on one image: bytes as a file, and pixels before they are decoded."""

    def __init__(self, max_megabytes: int, max_megapixels: int) -> None:
        self._max_megabytes = max_megabytes
        self._max_megapixels = max_megapixels

    def check(self, field: str, text: str) -> None:
        """Raise InvalidInput, naming `field` and the limit, unless `text` is such an image."""
        self.check_file(field, _decoded(field, text))

    def check_file(self, field: str, data: bytes) -> None:
        """The same for the image's file itself."""
        if len(data) > self._max_megabytes * 1024 * 1024:
            raise InvalidInput(
                f"{field} is larger than {self._max_megabytes} MB (MAX_IMAGE_SIZE_MB). "
                "Send a smaller file.",
                parameter=field,
            )
        pixels = _pixels(field, data)
        if pixels is None or pixels > self._max_megapixels * 1_000_000:
            raise InvalidInput(
                f"{field} has more than {self._max_megapixels} megapixels "
                "(MAX_IMAGE_MEGAPIXELS). Scale it down.",
                parameter=field,
            )


def _decoded(field: str, text: str) -> bytes:
    """Base64, with or without a data URL's head and line breaks.

    Piece by piece: nobody else gets a turn while Python decodes one.
    """
    start = text.find("base64,", 0, MAX_HEAD)
    begin = 0 if start < 0 else start + len("base64,")
    pieces, rest = [], ""
    try:
        for at in range(begin, len(text), PIECE):
            piece = rest + "".join(text[at : at + PIECE].split())
            whole = len(piece) - len(piece) % 4
            pieces.append(_piece(piece[:whole], last=at + PIECE >= len(text)))
            rest = piece[whole:]
        pieces.append(base64.b64decode(rest, validate=True))
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput(
            f"{field} is not base64: encode the image file itself.", parameter=field
        ) from exc
    return b"".join(pieces)


def _piece(text: str, *, last: bool) -> bytes:
    """Only the last one may be padded. Raises ValueError."""
    if not last and text.endswith("="):
        raise ValueError("padded in the middle")
    return base64.b64decode(text, validate=True)


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
