"""Images as the caller wants them."""

import io
import json
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from gpu_server.comfyui.conversion import AS_MADE, ImageFormat, OutputOptions, as_wanted
from gpu_server.comfyui.outputs import JobOutput
from gpu_server.errors import ComfyUIOutputBroken

PROMPT = json.dumps({"3": {"class_type": "KSampler"}})


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> JobOutput:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return JobOutput("9", f"made_00001_.{kind.lower()}", f"image/{kind.lower()}", file.getvalue())


def a_png(mode: str = "RGB", color: Any = "teal", **options: Any) -> JobOutput:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", PROMPT)
    return file_of(Image.new(mode, (8, 4), color), pnginfo=texts, **options)


def read(output: JobOutput) -> Image.Image:
    image = Image.open(io.BytesIO(output.data))
    image.load()
    return image


def test_untouched_png_loses_only_its_texts() -> None:
    made = as_wanted(a_png(), AS_MADE)
    assert read(made).info == {}
    assert (read(made).getpixel((0, 0)), made.filename) == ((0, 128, 128), "made_00001_.png")


def test_file_is_left_byte_for_byte_where_nothing_is_wanted_but_its_metadata() -> None:
    output = a_png()
    assert as_wanted(output, OutputOptions(keep_metadata=True)) is output


@pytest.mark.parametrize("wanted", ImageFormat)
def test_each_format_can_be_had(wanted: ImageFormat) -> None:
    made = as_wanted(a_png(), OutputOptions(wanted))
    assert (read(made).format, read(made).size) == (wanted.name, (8, 4))
    assert (made.content_type, made.filename) == (
        f"image/{wanted.value}",
        f"made_00001_.{wanted.value}",
    )
    assert not read(made).info.keys() & {"prompt", "exif"}


def test_lower_quality_is_a_smaller_file() -> None:
    noise = file_of(Image.effect_noise((64, 64), 80).convert("RGB"))
    low, high = (
        len(as_wanted(noise, OutputOptions(ImageFormat.JPEG, quality)).data) for quality in (10, 95)
    )
    assert low < high / 2


def test_quality_alone_leaves_a_png_as_it_is() -> None:
    assert as_wanted(a_png(), OutputOptions(quality=10)) == as_wanted(a_png(), AS_MADE)


def test_quality_alone_encodes_a_jpeg_anew() -> None:
    noise = file_of(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG", quality=95)
    made = as_wanted(noise, OutputOptions(quality=10))
    assert (made.content_type, len(made.data) < len(noise.data)) == ("image/jpeg", True)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white_in_a_jpeg(mode: str) -> None:
    made = as_wanted(
        file_of(Image.new(mode, (8, 4), (0,) * len(mode))), OutputOptions(ImageFormat.JPEG)
    )
    assert read(made).getpixel((3, 2)) == (255, 255, 255)


def test_transparency_stays_in_a_webp() -> None:
    made = as_wanted(
        file_of(Image.new("RGBA", (8, 4), (0, 0, 0, 0))), OutputOptions(ImageFormat.WEBP)
    )
    pixel = read(made).convert("RGBA").getpixel((3, 2))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


def test_sixteen_bits_become_eight() -> None:
    deep = file_of(Image.new("I;16", (8, 4), 65535 // 2))
    pixel = read(as_wanted(deep, OutputOptions(ImageFormat.JPEG))).getpixel((3, 2))
    assert pixel in range(125, 130)


@pytest.mark.parametrize("wanted", [ImageFormat.JPEG, ImageFormat.WEBP])
def test_metadata_that_is_kept_goes_where_comfyui_puts_it(wanted: ImageFormat) -> None:
    made = as_wanted(a_png(), OutputOptions(wanted, keep_metadata=True))
    assert read(made).getexif()[0x0110] == f"prompt:{PROMPT}"


def test_metadata_that_a_jpeg_cannot_carry_costs_no_image() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", json.dumps(["x" * 70_000]))
    large = file_of(Image.new("RGB", (8, 4)), pnginfo=texts)
    made = as_wanted(large, OutputOptions(ImageFormat.JPEG, keep_metadata=True))
    assert (read(made).format, dict(read(made).getexif())) == ("JPEG", {})


def test_animation_is_left_as_it_is() -> None:
    frames = [Image.new("RGB", (8, 4), color) for color in ("red", "blue")]
    moving = file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    made = as_wanted(moving, OutputOptions(ImageFormat.JPEG))
    assert (made.content_type, getattr(read(made), "n_frames", 1)) == ("image/webp", 2)


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x18ftypmp42", b"some text"])
def test_what_is_no_image_stays_as_it_is(data: bytes) -> None:
    output = JobOutput("9", "video.mp4", "video/mp4", data)
    assert as_wanted(output, OutputOptions(ImageFormat.JPEG)) is output


def test_broken_image_is_an_error_that_names_the_file() -> None:
    output = a_png()
    broken = JobOutput("9", "cut.png", "image/png", output.data[:60])
    with pytest.raises(ComfyUIOutputBroken, match=r"cut\.png cannot be made a JPEG"):
        as_wanted(broken, OutputOptions(ImageFormat.JPEG))
