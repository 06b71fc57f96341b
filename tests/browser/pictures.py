"""Pictures that look like somebody wanted them, from nothing but Pillow."""

import io
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFilter

Color = tuple[int, int, int]
SKIES: tuple[tuple[Color, Color], ...] = (
    ((24, 32, 74), (244, 150, 110)),
    ((120, 180, 220), (240, 240, 225)),
    ((12, 14, 30), (52, 80, 120)),
    ((250, 214, 165), (240, 120, 90)),
    ((200, 210, 215), (235, 235, 230)),
    ((70, 40, 90), (220, 120, 160)),
)
HILLS: tuple[Color, ...] = (
    (36, 62, 54),
    (70, 84, 60),
    (40, 44, 66),
    (96, 60, 48),
    (90, 104, 110),
    (50, 30, 60),
)


@cache
def landscape(number: int, width: int, height: int, kind: str = "PNG") -> bytes:
    """Hills under a sky; the number alone decides which."""
    dice = random.Random(number)
    top, bottom = SKIES[number % len(SKIES)]
    image = _gradient(width, height, top, bottom)
    _sun(image, dice)
    base = HILLS[(number * 5 + number // len(HILLS)) % len(HILLS)]
    for layer in range(4):
        _hills(image, dice, 0.45 + 0.14 * layer, _mixed(base, bottom, 0.6 - 0.2 * layer))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _gradient(width: int, height: int, top: Color, bottom: Color) -> Image.Image:
    line = Image.new("RGB", (1, 2))
    line.putpixel((0, 0), top)
    line.putpixel((0, 1), bottom)
    return line.resize((width, height), Image.Resampling.BICUBIC)


def _sun(image: Image.Image, dice: random.Random) -> None:
    width, height = image.size
    radius = min(width, height) * dice.uniform(0.05, 0.12)
    x, y = width * dice.uniform(0.15, 0.85), height * dice.uniform(0.15, 0.5)
    light = Image.new("L", image.size)
    ImageDraw.Draw(light).ellipse((x - radius, y - radius, x + radius, y + radius), fill=235)
    light = light.filter(ImageFilter.GaussianBlur(radius / 6))
    image.paste((255, 244, 214), mask=light)


def _hills(image: Image.Image, dice: random.Random, level: float, color: Color) -> None:
    width, height = image.size
    count = dice.randint(5, 12)
    heights = [height * (level + dice.uniform(-0.09, 0.09)) for _ in range(count + 1)]
    points = [(width * step / count, y) for step, y in enumerate(heights)]
    ImageDraw.Draw(image).polygon([(0, height), *points, (width, height)], fill=color)


def _mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
