"""PNG files made strip by strip."""

import io

import pytest
from PIL import Image

from backend.png_file import png_of


def noise(width: int, height: int) -> Image.Image:
    bands = [Image.effect_noise((width, height), 90) for _ in "RGBA"]
    return Image.merge("RGBA", bands)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (13, 7)])
def test_strips_become_the_picture(size: tuple[int, int]) -> None:
    width, height = size
    whole = noise(width, height)
    strips = [whole.crop((0, top, width, min(top + 3, height))) for top in range(0, height, 3)]
    with Image.open(io.BytesIO(png_of(size, strips))) as made:
        assert (made.format, made.mode, made.size) == ("PNG", "RGBA", size)
        assert made.tobytes() == whole.tobytes()


def test_even_picture_becomes_a_small_file() -> None:
    even = Image.new("RGBA", (1000, 1000), (255, 255, 255, 0))
    assert len(png_of(even.size, [even])) < 30_000
