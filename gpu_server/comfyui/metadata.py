"""Taking out of an image what ComfyUI wrote into it: the prompt and the whole workflow.

The pixels stay as they are, byte for byte: chunks are left out, nothing is encoded anew.
"""

import struct
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
PNG_DROPPED = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
WEBP_DROPPED = frozenset({b"EXIF", b"XMP "})
WEBP_IMAGES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
WEBP_FLAGS = 0x08 | 0x04
"""In a VP8X chunk: "there is EXIF" and "there is XMP"."""
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", 0xDA, b"\xff\xd9"
JPEG_DROPPED = frozenset({0xE1, 0xFE})  # APP1 (EXIF, XMP) and comments


class BrokenImage(ValueError):
    """The file ends too early, or is not what it says."""


def image_type(data: bytes) -> str | None:
    """The media type of a PNG, JPEG or WebP, by its first bytes."""
    if data.startswith(PNG):
        return "image/png"
    if data.startswith(JPEG_START):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def without_metadata(data: bytes) -> bytes:
    """The image without its texts; any other file as it is. Raises BrokenImage."""
    match image_type(data):
        case "image/png":
            return PNG + b"".join(_png(data))
        case "image/webp":
            body = b"WEBP" + b"".join(_webp(data))
            return b"RIFF" + struct.pack("<I", len(body)) + body
        case "image/jpeg":
            return JPEG_START + b"".join(_jpeg(data))
    return data


def check_whole(data: bytes) -> None:
    """Raise BrokenImage where an image's file ends too early."""
    without_metadata(data)


def _png(data: bytes) -> Iterator[bytes]:
    position = len(PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            break
        if kind not in PNG_DROPPED:
            yield data[position:end]
        if kind == b"IEND":
            return
        position = end
    raise BrokenImage("the PNG is cut short")


def _webp(data: bytes) -> Iterator[bytes]:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        raise BrokenImage("the WebP is cut short")
    position, has_image = 12, False
    while position + 8 <= length + 8:
        kind = data[position : position + 4]
        (size,) = struct.unpack_from("<I", data, position + 4)
        end = position + 8 + size + size % 2
        chunk = data[position:end]
        has_image = has_image or kind in WEBP_IMAGES
        if kind == b"VP8X" and size > 0:
            chunk = chunk[:8] + bytes([chunk[8] & ~WEBP_FLAGS]) + chunk[9:]
        if kind not in WEBP_DROPPED:
            yield chunk
        position = end
    if not has_image:
        raise BrokenImage("the WebP has no image in it")


def _jpeg(data: bytes) -> Iterator[bytes]:
    if not data.rstrip(b"\0").endswith(JPEG_END):
        raise BrokenImage("the JPEG is cut short")
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == JPEG_SCAN:
            yield data[position:]
            return
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if marker not in JPEG_DROPPED:
            yield data[position:end]
        position = end
    raise BrokenImage("the JPEG has no image in it")
