"""Checking the images that a client sends."""

import base64

import pytest

from backend.errors import InvalidInput
from backend.services.images import ImageCheck
from tests.backend.making import base64_of, picture, picture_that_claims

MEGABYTE = 1024 * 1024


@pytest.fixture
def check() -> ImageCheck:
    return ImageCheck(max_megabytes=1, max_megapixels=2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_image_is_taken(check: ImageCheck, kind: str) -> None:
    check.check("target_image", base64_of(picture(kind)))


def test_data_url_is_taken(check: ImageCheck) -> None:
    check.check("target_image", f"data:image/png;base64,{base64_of(picture())}")


def test_line_breaks_are_taken(check: ImageCheck) -> None:
    check.check("target_image", base64.encodebytes(picture(size=(90, 90))).decode())


def test_image_at_the_limits_is_taken(check: ImageCheck) -> None:
    data = picture_that_claims(2000, 1000)
    check.check("target_image", base64_of(data.ljust(MEGABYTE, b"\0")))


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
def test_other_text_is_refused_by_field_and_limit(check: ImageCheck, text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check.check("face_images[2]", text)
    assert caught.value.message.startswith("face_images[2] ")
    assert words in caught.value.message
    assert caught.value.extra == {"parameter": "face_images[2]"}
