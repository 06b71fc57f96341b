"""OpenAI's masks as ComfyUI's."""

import io

from PIL import Image, ImageChops


def as_comfyui_mask(data: bytes) -> bytes:
    """A mask that says the same by its alpha, as OpenAI has it, and by its colour.

    What is transparent is painted anew, and is white here; all else is black. So it does not
    matter which channel a workflow looks at. A mask without alpha is left as it is. The image has
    been checked and bounded before.
    """
    with Image.open(io.BytesIO(data)) as mask:
        if "A" not in mask.getbands() and "transparency" not in mask.info:
            return data
        alpha = mask.convert("RGBA").getchannel("A")
    white = ImageChops.invert(alpha)
    file = io.BytesIO()
    Image.merge("RGBA", (white, white, white, alpha)).save(file, "PNG")
    return file.getvalue()
