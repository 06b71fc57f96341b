"""Images in the format that a client wants them in."""

import io
import json
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePosixPath

from PIL import Image

from gpu_server.comfyui.metadata import image_type, without_metadata
from gpu_server.comfyui.outputs import JobOutput
from gpu_server.errors import ComfyUIOutputBroken

USUAL_QUALITY = 90
EXIF_PROMPT, EXIF_WORKFLOW = 0x0110, 0x010F
"""Where ComfyUI's own WebP files have them, as `prompt:{…}` and `workflow:{…}`."""
MOST_EXIF = 65_000
"""Bytes that a JPEG can carry."""


class ImageFormat(str, Enum):
    """What images are sent as."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return f"image/{self.value}"


@dataclass(frozen=True)
class OutputOptions:
    """How a caller wants its images; with None, as the workflow makes them."""

    format: ImageFormat | None = None
    quality: int | None = None
    """From 1 to 100, of JPEG and WebP; PNG has none."""
    keep_metadata: bool = False
    """Leave ComfyUI's embedded prompt and workflow in them."""


AS_MADE = OutputOptions()


def as_wanted(output: JobOutput, options: OutputOptions) -> JobOutput:
    """The output as the caller wants it; what is no still image stays as it is.

    Raises ComfyUIOutputBroken.
    """
    kind = image_type(output.data)
    if kind is None:
        return output
    wanted = options.format or ImageFormat(kind.removeprefix("image/"))
    same = wanted.content_type == kind
    try:
        if same and (options.quality is None or wanted is ImageFormat.PNG):
            return _cleaned(output, options)
        with Image.open(io.BytesIO(output.data), formats=[f.name for f in ImageFormat]) as image:
            if getattr(image, "is_animated", False):
                return _cleaned(output, options)
            data = _encoded(image, wanted, options)
    except (OSError, ValueError, Image.DecompressionBombError) as exc:
        raise ComfyUIOutputBroken(
            f"ComfyUI's file {output.filename} cannot be made a {wanted.name}: {exc}."
        ) from exc
    name = str(PurePosixPath(output.filename).with_suffix(f".{wanted.value}"))
    return replace(output, filename=name, content_type=wanted.content_type, data=data)


def _cleaned(output: JobOutput, options: OutputOptions) -> JobOutput:
    return output if options.keep_metadata else replace(output, data=without_metadata(output.data))


def _encoded(image: Image.Image, wanted: ImageFormat, options: OutputOptions) -> bytes:
    exif = _exif(image) if options.keep_metadata else b""
    profile = image.info.get("icc_profile")
    file = io.BytesIO()
    _in_mode_of(wanted, image).save(
        file,
        wanted.name,
        **({} if wanted is ImageFormat.PNG else {"quality": options.quality or USUAL_QUALITY}),
        **({"icc_profile": profile} if profile else {}),
        **({"exif": exif} if exif else {}),
    )
    return file.getvalue()


def _in_mode_of(wanted: ImageFormat, image: Image.Image) -> Image.Image:
    """8 bits a channel, and for JPEG, which knows no transparency, on white."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    clear = "A" in image.getbands() or "transparency" in image.info
    if wanted is not ImageFormat.JPEG:
        return image if image.mode in ("RGB", "RGBA") else image.convert("RGBA" if clear else "RGB")
    if not clear:
        return image if image.mode in ("RGB", "L") else image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _exif(image: Image.Image) -> bytes:
    """ComfyUI's texts as EXIF; none where they are more than a JPEG can carry."""
    exif = image.getexif()
    for tag, name in ((EXIF_PROMPT, "prompt"), (EXIF_WORKFLOW, "workflow")):
        text = image.info.get(name)
        if isinstance(text, str) and _is_json(text):
            exif[tag] = f"{name}:{text}"
    written = exif.tobytes()
    return written if 6 < len(written) < MOST_EXIF else b""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
