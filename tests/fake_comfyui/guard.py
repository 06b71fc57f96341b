"""What every request passes: the origin check, and the log that tests read."""

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fake_comfyui.state import FakeComfyUI, ReceivedRequest

LOOPBACK = ("localhost", "::1")
CONTROL_PREFIX = "/fake/"


class OriginGuard:
    """403 where a page of another origin talks to a server on loopback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not _is_foreign(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await Response(status_code=403)(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    origin, host = headers.get("origin"), headers.get("host")
    if headers.get("sec-fetch-site") == "cross-site":
        return True
    if not origin or not host:
        return False
    there, here = urlsplit(origin.lower()), urlsplit(f"//{host.lower()}")
    name = here.hostname or ""
    if name not in LOOPBACK and not name.startswith("127."):
        return False
    if there.port is None or here.port is None:
        return there.hostname != here.hostname
    return there.netloc != here.netloc


class RequestLog:
    """Keeps every request before the app sees it; the fake's own controls are left out."""

    def __init__(self, app: ASGIApp, fake: FakeComfyUI) -> None:
        self._app = app
        self._fake = fake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        body = await _whole_body(receive)
        self._fake.requests.append(
            ReceivedRequest(
                method=scope["method"],
                path=scope["path"],
                params=dict(QueryParams(scope["query_string"])),
                headers=dict(Headers(scope=scope)),
                json=_json(body),
            )
        )
        replayed: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return replayed.pop() if replayed else await receive()

        await self._app(scope, replay, send)


async def _whole_body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
