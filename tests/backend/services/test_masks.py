"""OpenAI's masks as ComfyUI's."""

import asyncio
import io
import threading
from typing import Any

import pytest
from PIL import Image, ImageChops

from backend.errors import InvalidInput
from backend.services.masks import STRIP_PIXELS, Masks, as_comfyui_mask
from tests.backend.making import picture
from tests.conditions import eventually


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
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


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP")])
def test_every_pixel_of_several_strips_is_kept(mode: str, kind: str) -> None:
    """Of soft edges too."""
    height = 2 * STRIP_PIXELS // 1000 + 7
    alpha = Image.radial_gradient("L").resize((1000, height))
    mask = Image.new(mode, alpha.size)
    mask.putalpha(alpha)
    data = as_comfyui_mask(file_of(mask, kind, lossless=True))
    with Image.open(io.BytesIO(data)) as made:
        assert (made.format, made.mode, made.size) == ("PNG", "RGBA", alpha.size)
        red, green, blue, kept = made.split()
    white = ImageChops.invert(alpha)
    assert kept.tobytes() == alpha.tobytes()
    assert {red.tobytes(), green.tobytes(), blue.tobytes()} == {white.tobytes()}


@pytest.mark.parametrize(("mode", "clear"), [("L", 9), ("RGB", (9, 9, 9))])
def test_transparent_colour_is_understood(mode: str, clear: int | tuple[int, int, int]) -> None:
    mask = Image.new(mode, (2, 1))
    mask.putpixel((1, 0), clear)
    data = as_comfyui_mask(file_of(mask, transparency=clear))
    with Image.open(io.BytesIO(data)) as made:
        pixels = [made.getpixel((x, 0)) for x in (0, 1)]
    assert pixels == [(0, 0, 0, 255), (255, 255, 255, 0)]


def test_mask_whose_pixels_are_broken_is_told() -> None:
    data = file_of(Image.effect_noise((64, 64), 50).convert("RGBA"))
    with pytest.raises(InvalidInput, match="can be read") as raised:
        as_comfyui_mask(data[: len(data) // 2])
    assert raised.value.extra["parameter"] == "mask"


def test_mask_of_one_endless_row_is_told() -> None:
    data = file_of(Image.new("LA", (STRIP_PIXELS + 1, 1)))
    with pytest.raises(InvalidInput, match="wider than"):
        as_comfyui_mask(data)


class Opening:
    """Pillow's `open`, which waits until it may, and counts who is there."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.calls = 0
        self._open = Image.open

    def __call__(self, *args: Any, **options: Any) -> Image.Image:
        self.calls += 1
        assert self.may.wait(15)
        return self._open(*args, **options)


async def test_one_mask_is_opened_at_a_time_and_who_waits_may_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opening, masks, data = Opening(), Masks(), picture()
    monkeypatch.setattr(Image, "open", opening)
    first, *others = [asyncio.create_task(masks.as_comfyui(data)) for _ in range(4)]
    await eventually(lambda: opening.calls)
    leaving, *staying = others
    leaving.cancel()
    await asyncio.wait([leaving])
    assert (leaving.cancelled(), first.done(), opening.calls) == (True, False, 1)
    opening.may.set()
    assert await asyncio.gather(first, *staying) == [data] * 3
    assert opening.calls == 3
