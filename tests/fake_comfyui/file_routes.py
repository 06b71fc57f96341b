"""Uploads, and the files that /view hands out."""

import asyncio
import io
import json
import mimetypes
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fake_comfyui.answers import Json, fake_of
from tests.fake_comfyui.faults import Fault
from tests.fake_comfyui.files import KINDS, OutsideFolder, SavedFile
from tests.fake_comfyui.form import Form, SentFile, parse_form
from tests.fake_comfyui.state import FakeComfyUI

SLOW_VIEW_SECONDS = 1.0
Write = Callable[[SentFile, Path], None]


async def upload_image(request: Request) -> Response:
    return _upload(fake_of(request), await _form(request), _write)


async def upload_mask(request: Request) -> Response:
    """The named original with the alpha channel of the sent picture, as a new file."""
    fake, form = fake_of(request), await _form(request)
    named = json.loads(form.fields["original_ref"])
    folder = fake.files.folder(named.get("type", "output"), named.get("subfolder", ""))

    def write(sent: SentFile, path: Path) -> None:
        with Image.open(folder / named["filename"]) as picture:
            masked = picture.convert("RGBA")
        with Image.open(io.BytesIO(sent.content)) as mask:
            masked.putalpha(mask.convert("RGBA").getchannel("A"))
        masked.save(path, format="PNG")

    return _upload(fake, form, write)


async def _form(request: Request) -> Form:
    return parse_form(request.headers.get("content-type", ""), await request.body())


def _upload(fake: FakeComfyUI, form: Form, write: Write) -> Response:
    sent = form.files.get("image")
    if sent is None or not sent.name:
        return Response(status_code=400)
    kind, subfolder = form.fields.get("type", "input"), form.fields.get("subfolder", "")
    overwrite = form.fields.get("overwrite") in ("true", "1")
    try:
        name, target = fake.files.upload_target(sent.name, subfolder, kind, sent.content, overwrite)
    except OutsideFolder:
        return Response(status_code=400)
    write(sent, target)
    fake.uploads.append(SavedFile(name, subfolder, kind))
    return Json({"name": name, "subfolder": subfolder, "type": kind})


def _write(sent: SentFile, path: Path) -> None:
    path.write_bytes(sent.content)


async def view(request: Request) -> Response:
    fake = fake_of(request)
    slow = fake.faults.take(Fault.SLOW_VIEW)
    if slow:
        await asyncio.sleep(SLOW_VIEW_SECONDS if slow.value is None else slow.value)
    if fake.faults.take(Fault.VIEW_404):
        return Response(status_code=404)
    return _view(fake, request.query_params)


def _view(fake: FakeComfyUI, query: QueryParams) -> Response:
    filename = query.get("filename")
    if filename is None:
        return Response(status_code=404)
    kind = query.get("type", "output")
    if not filename or filename.startswith("/") or ".." in filename or kind not in KINDS:
        return Response(status_code=400)
    try:
        folder = fake.files.folder(kind, query.get("subfolder", ""))
    except OutsideFolder:
        return Response(status_code=403)
    path = folder / Path(filename).name
    if not path.is_file():
        return Response(status_code=404)
    content, media_type = _content(path, query)
    fake.executions.fetched(path.name)
    if fake.faults.take(Fault.CORRUPT_IMAGE):
        content = content[: len(content) // 2]
    headers = {"Content-Disposition": f'filename="{path.name}"'}
    return Response(content, media_type=media_type, headers=headers)


def _content(path: Path, query: QueryParams) -> tuple[bytes, str]:
    """The file as it is; or small for a gallery; or without, or only, its alpha channel."""
    if "preview" in query:
        kind, _, quality = query["preview"].partition(";")
        kind = kind if kind in ("webp", "jpeg") else "webp"
        return _converted(path, kind, int(quality) if quality.isdigit() else 90), f"image/{kind}"
    if query.get("channel") == "rgb":
        return _converted(path, "png", 90), "image/png"
    if query.get("channel") == "a":
        return _alpha(path), "image/png"
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return path.read_bytes(), media_type


def _converted(path: Path, kind: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(buffer, format=kind, quality=quality)
    return buffer.getvalue()


def _alpha(path: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        alpha = image.convert("RGBA").getchannel("A")
    picture = Image.new("RGBA", alpha.size)
    picture.putalpha(alpha)
    picture.save(buffer, format="png")
    return buffer.getvalue()


FILE_ROUTES = [
    Route("/upload/image", upload_image, methods=["POST"]),
    Route("/upload/mask", upload_mask, methods=["POST"]),
    Route("/view", view, methods=["GET"]),
]
