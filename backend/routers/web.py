"""The page: `GET /`, and its files under `/web`."""

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WEB = Path(__file__).resolve().parents[1] / "web"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
METHODS = ("GET", "HEAD")
OF_ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for each time, and mostly answered with 304: an updated server has an updated page.
    "Cache-Control": "no-cache",
}
OF_DOCUMENTS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""They bind what a browser opens as a page; with dozens of modules they would only weigh."""
PARTS = (".js", ".css")

# Some machines' own tables have another type for it, with which no browser runs a module.
mimetypes.add_type("text/javascript", ".js")


class PageFiles:
    """The folder's files, packed, and with headers that let them do little."""

    def __init__(self, folder: Path) -> None:
        self._files: ASGIApp = GZipMiddleware(StaticFiles(directory=folder), minimum_size=500)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_part = scope["path"].endswith(PARTS)
        told = OF_ALL if is_part else OF_ALL | OF_DOCUMENTS
        ours = [(name.lower().encode(), text.encode()) for name, text in told.items()]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *ours]}
            await send(message)

        if scope["method"] not in METHODS:
            raise HTTPException(405, headers={"Allow": ", ".join(METHODS)})
        await self._files(scope, receive, with_headers)


FILES = PageFiles(WEB)


class IndexPage(Response):
    """`index.html`, as one of those files."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        where = {"path": "/index.html", "root_path": "", "app_root_path": ""}
        await FILES({**scope, **where}, receive, send)


router = APIRouter()


@router.api_route("/", methods=[*METHODS], include_in_schema=False)
async def index(_: Request) -> Response:
    """The page."""
    return IndexPage()
