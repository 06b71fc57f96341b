"""What ComfyUI writes into images is taken out of them; their pixels stay."""

import json

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpu_server.comfyui.metadata import BrokenImage, image_type, without_metadata
from tests.gpu_server.pictures import decoded, drawn, encoded

PROMPT = json.dumps({"3": {"class_type": "KSampler", "inputs": {"text": "a private wish"}}})


def png(**options: object) -> bytes:
    """As ComfyUI's SaveImage writes it."""
    texts = PngInfo()
    texts.add_text("prompt", PROMPT)
    texts.add_text("workflow", PROMPT, zip=True)
    texts.add_itxt("parameters", PROMPT)
    return encoded(drawn((64, 32)), "PNG", pnginfo=texts, **options)


def with_exif(kind: str, **options: object) -> bytes:
    """As ComfyUI's animated and many custom nodes write it: the prompt in the camera's make."""
    exif = Image.Exif()
    exif[0x010F] = f"prompt:{PROMPT}"
    exif[0x0110] = f"workflow:{PROMPT}"
    return encoded(drawn((64, 32)), kind, exif=exif, **options)


FILES = {
    "png": png(),
    "png with exif": with_exif("PNG"),
    "webp": with_exif("WEBP", lossless=True),
    "lossy webp": with_exif("WEBP"),
    "webp with xmp": encoded(drawn(), "WEBP", xmp=f"<x>{PROMPT}</x>".encode()),
    "jpeg": with_exif("JPEG"),
    "progressive jpeg": with_exif("JPEG", progressive=True),
    "jpeg with a comment": encoded(drawn(), "JPEG", comment=PROMPT.encode()),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_prompt_is_gone(data: bytes) -> None:
    cleaned = decoded(without_metadata(data))
    assert not cleaned.getexif()
    assert not {"prompt", "workflow", "parameters", "xmp", "comment", "exif"} & set(cleaned.info)


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_pixels_are_identical(data: bytes) -> None:
    cleaned = decoded(without_metadata(data))
    assert (cleaned.mode, cleaned.size) == (decoded(data).mode, decoded(data).size)
    assert cleaned.tobytes() == decoded(data).tobytes()


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_nothing_of_it_is_left_in_the_file(data: bytes) -> None:
    cleaned = without_metadata(data)
    assert b"private" not in cleaned
    assert len(cleaned) < len(data)


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_clean_file_stays_as_it_is(data: bytes) -> None:
    cleaned = without_metadata(data)
    assert without_metadata(cleaned) == cleaned


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_colour_profile_is_kept(kind: str) -> None:
    data = encoded(drawn(), kind, icc_profile=b"a profile")
    assert decoded(without_metadata(data)).info["icc_profile"] == b"a profile"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animation_keeps_all_its_frames(kind: str) -> None:
    more = [drawn(color=(0, 255, 0)), drawn(color=(0, 0, 255))]
    data = encoded(drawn(), kind, save_all=True, append_images=more, lossless=True)
    assert getattr(decoded(without_metadata(data)), "n_frames", 1) == 3


def test_transparency_is_kept() -> None:
    for kind in ("PNG", "WEBP"):
        data = encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), kind, lossless=True)
        assert decoded(without_metadata(data)).convert("RGBA").getpixel((0, 0)) == (1, 2, 3, 4)


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_file_that_is_cut_short_is_broken(data: bytes, part: float) -> None:
    with pytest.raises(BrokenImage):
        without_metadata(data[: int(len(data) * part)])


HOSTILE = [
    b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n" + b"\xff" * 64,
    b"\xff\xd8",
    b"\xff\xd8\xff\xe1\x00\x00\xff\xd9",
    b"\xff\xd8" + b"\x00" * 64 + b"\xff\xd9",
    b"RIFF\x04\x00\x00\x00WEBP",
    b"RIFF\xff\xff\xff\xffWEBP",
    b"RIFF\x0c\x00\x00\x00WEBPVP8X\x00\x00\x00\x00",
    b"RIFF\x10\x00\x00\x00WEBPVP8X\xff\xff\xff\xff\x00\x00\x00\x00",
]


@pytest.mark.parametrize("data", HOSTILE, ids=repr)
def test_nonsense_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenImage):
        without_metadata(data)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"RIFF\0\0\0\0WAVE", b"\x00\x00\x00\x18ftypmp42"])
def test_any_other_file_stays_as_it_is(data: bytes) -> None:
    assert without_metadata(data) == data
    assert image_type(data) is None


@pytest.mark.parametrize(
    ("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_type_is_told_by_the_content(kind: str, media_type: str) -> None:
    assert image_type(encoded(drawn(), kind)) == media_type
