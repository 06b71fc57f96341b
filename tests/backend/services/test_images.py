"""Checking the images that a client sends."""

import base64
import os

import pytest

from backend.errors import InvalidInput
from backend.services.images import MOST_OF_HEADERS, ImageCheck
from tests.backend.making import base64_of, picture, picture_that_claims

MEGABYTE = 1024 * 1024


@pytest.fixture
def check() -> ImageCheck:
    return ImageCheck(max_megabytes=1, max_megapixels=2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_image_is_taken(check: ImageCheck, kind: str) -> None:
    await check.check("target_image", base64_of(picture(kind)))


async def test_data_url_is_taken(check: ImageCheck) -> None:
    await check.check("target_image", f"data:image/png;base64,{base64_of(picture())}")


async def test_line_breaks_are_taken(check: ImageCheck) -> None:
    await check.check("target_image", base64.encodebytes(picture(size=(90, 90))).decode())


async def test_image_at_the_limits_is_taken(check: ImageCheck) -> None:
    data = picture_that_claims(2000, 1000)
    await check.check("target_image", base64_of(data.ljust(MEGABYTE, b"\0")))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_pixels_of_a_large_image_are_counted(kind: str) -> None:
    """Those that begin with more than the headers that are looked at first, too."""
    profile = os.urandom(MOST_OF_HEADERS)
    data = picture(kind, size=(64, 32), icc_profile=profile)
    assert len(data) > MOST_OF_HEADERS
    await ImageCheck(10, 1).check("target_image", base64_of(data))
    for padded in (data, picture(kind, size=(64, 32)).ljust(2 * MOST_OF_HEADERS, b"\0")):
        with pytest.raises(InvalidInput, match="MAX_IMAGE_MEGAPIXELS"):
            await ImageCheck(10, 0).check("target_image", base64_of(padded))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no PNG, JPEG or WebP"),
        ("***", "not base64"),
        ("aGVsbG8", "not base64"),
        ("bildé", "not base64"),
        (base64_of(b"hello"), "no PNG, JPEG or WebP"),
        (base64_of(picture("GIF")), "no PNG, JPEG or WebP"),
        (base64_of(picture()[:20]), "no PNG, JPEG or WebP"),
        (base64_of(picture().ljust(MEGABYTE + 1, b"\0")), "larger than 1 MB (MAX_IMAGE_SIZE_MB)"),
        (base64_of(picture_that_claims(2001, 1000)), "2 megapixels (MAX_IMAGE_MEGAPIXELS)"),
        (base64_of(picture_that_claims(9000, 12_000)), "2 megapixels (MAX_IMAGE_MEGAPIXELS)"),
        (base64_of(picture_that_claims(60_000, 60_000)), "2 megapixels (MAX_IMAGE_MEGAPIXELS)"),
    ],
    ids=[
        "empty",
        "no base64",
        "no padding",
        "no ASCII",
        "text",
        "GIF",
        "cut off",
        "bytes",
        "pixels",
        "pixels Pillow warns of",
        "pixels Pillow refuses",
    ],
)
async def test_other_text_is_refused_by_field_and_limit(
    check: ImageCheck, text: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await check.check("face_images[2]", text)
    assert caught.value.message.startswith("face_images[2] ")
    assert words in caught.value.message
    assert caught.value.extra == {"parameter": "face_images[2]"}
