"""The answers as aiohttp words them: ComfyUI is built on it."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.fake_comfyui.state import FakeComfyUI


class Json(JSONResponse):
    media_type = "application/json; charset=utf-8"


def fake_of(request: Request) -> FakeComfyUI:
    fake: FakeComfyUI = request.app.state.fake
    return fake


async def json_body(request: Request) -> Any:
    """What the request's body says, whatever type it claims; ValueError becomes a 500."""
    return json.loads(await request.body())


async def trouble(request: Request, error: Exception) -> Response:
    return PlainTextResponse(
        "500 Internal Server Error\n\nServer got itself in trouble", status_code=500
    )


async def unknown_path(request: Request, error: Exception) -> Response:
    """The static files behind ComfyUI's routes take any path, but only for reading."""
    if request.method in ("GET", "HEAD"):
        return Response(status_code=404, media_type="application/octet-stream")
    return await wrong_method(request, error)


async def wrong_method(request: Request, error: Exception) -> Response:
    return PlainTextResponse("405: Method Not Allowed", status_code=405)
