"""PNG files made strip by strip, so that no more than a strip of the picture is in memory.

Pillow saves only what it has as a whole, and its RGBA takes 4 bytes a pixel.
"""

import struct
import zlib
from collections.abc import Iterable

from PIL import Image, ImageChops

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BANDS = 4
RGBA = 6
"""PNG's number for such pixels."""
SUB = 1
"""PNG's number for the filter that leaves of a pixel what differs from the one to its left."""
LEVEL = 1
"""Of compression: even areas become small with any, and higher ones take longer."""


def png_of(size: tuple[int, int], strips: Iterable[Image.Image]) -> bytes:
    """The file of a picture whose strips, in RGBA, come from the top to the bottom."""
    packer = zlib.compressobj(LEVEL)
    packed = [packer.compress(_scanlines(strip)) for strip in strips]
    head = struct.pack(">IIBBBBB", *size, 8, RGBA, 0, 0, 0)
    pixels = b"".join([*packed, packer.flush()])
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _scanlines(strip: Image.Image) -> bytes:
    """Filtered rows, each behind its filter's number, as PNG has them before they are packed."""
    left = strip.crop((-1, 0, strip.width - 1, strip.height))
    differences = ImageChops.subtract_modulo(strip, left).tobytes()
    row = BANDS * strip.width
    lines = Image.new("L", (row + 1, strip.height), SUB)
    lines.paste(Image.frombytes("L", (row, strip.height), differences), (1, 0))
    return lines.tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
