"""Image requests as `multipart/form-data`."""

import asyncio
import json
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from backend.heavy import in_pieces
from backend.large_texts import to_base64
from backend.schemas.openai_images import ImageRequest
from backend.services.images import ImageCheck
from backend.services.masks import Masks

MAX_FILES, MAX_FIELDS = 17, 100
"""Sixteen images, as OpenAI has it, and a mask."""
IMAGES = ("image", "image[]")


class ImageForm(NamedTuple):
    """A request, and its images in base64."""

    request: ImageRequest
    images: tuple[str, ...]
    mask: str | None


async def image_form(request: Request, check: ImageCheck, masks: Masks) -> ImageForm:
    """Raises RequestValidationError, InvalidInput."""
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        images = [await _image(each, check) for name in IMAGES for each in form.getlist(name)]
        painted = [await _image(each, check, "mask") for each in form.getlist("mask")]
        asked = _validated(form)
    if not images:
        raise RequestValidationError([_problem("image", "Field required")])
    mask = await masks.as_comfyui(painted[0]) if painted else None
    return ImageForm(
        asked,
        tuple([await _base64(image) for image in images]),
        None if mask is None else await _base64(mask),
    )


async def _image(part: UploadFile | str, check: ImageCheck, name: str = "image") -> bytes:
    if isinstance(part, str):
        raise RequestValidationError([_problem(name, "Send it as a file")])
    data = await part.read()
    await asyncio.to_thread(check.check_file, name, data)
    return data


def _validated(form: FormData) -> ImageRequest:
    fields: dict[str, Any] = {
        name: value
        for name, value in form.multi_items()
        if isinstance(value, str) and name not in (*IMAGES, "mask")
    }
    if "extra_params" in fields:
        fields["extra_params"] = _value(fields["extra_params"])
    try:
        return ImageRequest(**fields)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in errors]
        ) from exc


def _value(text: str) -> Any:
    """A form knows only texts: this one is JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _problem(name: str, message: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": ("body", name), "msg": message, "input": None}


async def _base64(data: bytes) -> str:
    return await in_pieces(to_base64(data))
