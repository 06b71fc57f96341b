"""OpenAI's masks as ComfyUI's."""

import io

import pytest
from PIL import Image

from backend.services.masks import as_comfyui_mask


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def test_what_is_transparent_is_white_and_all_else_is_black() -> None:
    """So it says the same by its alpha and by each of its colours."""
    mask = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    mask.putpixel((1, 0), (10, 20, 30, 0))
    with Image.open(io.BytesIO(as_comfyui_mask(file_of(mask)))) as made:
        pixels = [made.getpixel((x, 0)) for x in (0, 1)]
    assert pixels == [(0, 0, 0, 255), (255, 255, 255, 0)]


def test_palette_with_a_transparent_colour_is_understood() -> None:
    mask = Image.new("P", (1, 1), 0)
    mask.info["transparency"] = 0
    with Image.open(io.BytesIO(as_comfyui_mask(file_of(mask)))) as made:
        assert made.getpixel((0, 0)) == (255, 255, 255, 0)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_mask_without_transparency_is_left_as_it_is(mode: str) -> None:
    data = file_of(Image.new(mode, (2, 2)))
    assert as_comfyui_mask(data) is data
