"""A file of an output, as an answer."""

import os
from collections.abc import AsyncIterator
from email.utils import formatdate

import anyio.to_thread
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from backend.errors import OutputNotFound
from backend.routers.byte_range import ByteRange, wanted_range
from backend.store.outputs.output_store import JUST_REMOVED, LocalFile, RemoteFile

SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""A workflow may make any file: none of them is to act as a page of ours."""
PART_BYTES = 4 * 1024 * 1024
"""Fetched at a time, when the client has taken what went before."""


class OutputFile(FileResponse):
    """Starlette's, which knows ranges, and 304 for whoever has the file already."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """If-None-Match comes before Range, as RFC 9110 has it."""
        try:
            self.stat_result = await anyio.to_thread.run_sync(os.stat, self.path)
        except FileNotFoundError as exc:
            raise OutputNotFound(JUST_REMOVED) from exc
        self.set_stat_headers(self.stat_result)
        asked = Headers(scope=scope)
        if _has_it(asked, self.headers["etag"]):
            await _unchanged(self.headers["etag"])(scope, receive, send)
            return
        # As we read it: what is none of its ranges, Starlette answers by itself, in plain text.
        wanted = _asked_for(asked, self.headers, self.stat_result.st_size)
        others = [(name, value) for name, value in scope["headers"] if name != b"range"]
        if wanted is not None:
            others.append((b"range", b"bytes=%d-%d" % (wanted.start, wanted.end - 1)))
        await super().__call__({**scope, "headers": others}, receive, send)


class FetchedFile(Response):
    """The same for a file far away: fetched part by part, and never whole in memory."""

    def __init__(self, file: RemoteFile, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(media_type=media_type, headers=headers)
        self._file = file
        del self.headers["content-length"]
        self.headers["etag"] = file.etag
        self.headers["last-modified"] = formatdate(file.modified, usegmt=True)
        self.headers["accept-ranges"] = "bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Headers(scope=scope), head=scope["method"] == "HEAD")
        await answer(scope, receive, send)

    async def _answer(self, headers: Headers, *, head: bool) -> Response:
        if _has_it(headers, self._file.etag):
            return _unchanged(self._file.etag)
        size = self._file.size
        wanted = _asked_for(headers, self.headers, size)
        status, span = (200, ByteRange(0, size)) if wanted is None else (206, wanted)
        if wanted is not None:
            self.headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{size}"
        self.headers["content-length"] = str(span.end - span.start)
        if head:
            return Response(status_code=status, headers=self.headers)
        # Fetched before anything is sent: what fails here is still answered as an error.
        middle = min(span.start + PART_BYTES, span.end)
        first = await self._file.part(span.start, middle) if middle > span.start else b""
        rest = ByteRange(middle, span.end)
        return StreamingResponse(self._parts(first, rest), status, self.headers)

    async def _parts(self, first: bytes, rest: ByteRange) -> AsyncIterator[bytes]:
        yield first
        for start in range(rest.start, rest.end, PART_BYTES):
            yield await self._file.part(start, min(start + PART_BYTES, rest.end))


def output_file(
    file: LocalFile | RemoteFile, content_type: str, download_name: str | None = None
) -> Response:
    """The file, as the type that it was made as, and as nothing else.

    `download_name`, of our own making, is what it is saved as; without one it is shown.
    """
    named = {"Content-Disposition": f'attachment; filename="{download_name}"'}
    headers = SAFE | (named if download_name else {})
    if isinstance(file, RemoteFile):
        return FetchedFile(file, content_type, headers)
    return OutputFile(file.path, media_type=content_type, headers=headers)


def _asked_for(asked: Headers, ours: Headers, size: int) -> ByteRange | None:
    """The range that the client wants of this version of the file. Raises RangeNotSatisfiable."""
    versions = (None, ours["etag"], ours["last-modified"])
    return wanted_range(asked.get("range"), size) if asked.get("if-range") in versions else None


def _unchanged(etag: str) -> Response:
    return Response(status_code=304, headers={"ETag": etag})


def _has_it(headers: Headers, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    return etag in tags or tags == ["*"]
