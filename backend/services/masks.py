"""OpenAI's masks as ComfyUI's."""

import io
from collections.abc import Iterator

import anyio
import anyio.to_thread
from PIL import Image, ImageChops

from backend.errors import InvalidInput
from backend.png_file import png_of

AT_ONCE = 1
"""A small file may be tens of megapixels, each of them 4 bytes once it is decoded."""
STRIP_PIXELS = 1_000_000
"""Of which the widest mask is one row."""


class Masks:
    """Made one after the other. Who waits takes no thread, and may leave."""

    def __init__(self) -> None:
        self._room = anyio.CapacityLimiter(AT_ONCE)

    async def as_comfyui(self, data: bytes) -> bytes:
        """The mask in ComfyUI's way. Raises InvalidInput."""
        return await anyio.to_thread.run_sync(as_comfyui_mask, data, limiter=self._room)


def as_comfyui_mask(data: bytes) -> bytes:
    """A mask that says the same by its alpha, as OpenAI has it, and by its colour.

    What is transparent is painted anew, and is white here; all else is black. So it does not
    matter which channel a workflow looks at. A mask without alpha is left as it is. The image's
    header has been checked and bounded before. Raises InvalidInput where its pixels are broken.
    """
    with Image.open(io.BytesIO(data)) as mask:
        if "A" not in mask.getbands() and "transparency" not in mask.info:
            return data
        if mask.width > STRIP_PIXELS:
            raise InvalidInput(f"mask is wider than {STRIP_PIXELS} pixels.", parameter="mask")
        try:
            return png_of(mask.size, _strips(mask))
        except (OSError, ValueError, SyntaxError) as exc:
            raise InvalidInput(
                f"mask is no PNG, JPEG or WebP image that can be read ({exc}).", parameter="mask"
            ) from exc


def _strips(mask: Image.Image) -> Iterator[Image.Image]:
    rows = STRIP_PIXELS // mask.width
    for top in range(0, mask.height, rows):
        strip = mask.crop((0, top, mask.width, min(top + rows, mask.height)))
        alpha = strip.convert("RGBA").getchannel("A")
        white = ImageChops.invert(alpha)
        yield Image.merge("RGBA", (white, white, white, alpha))
