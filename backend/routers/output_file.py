"""A file of an output, as an answer."""

import os
from pathlib import Path

import anyio.to_thread
from fastapi.responses import FileResponse, Response
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""A workflow may make any file: none of them is to act as a page of ours."""


class OutputFile(FileResponse):
    """Starlette's, which knows ranges, and 304 for whoever has the file already."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """If-None-Match comes before Range, as RFC 9110 has it."""
        self.stat_result = await anyio.to_thread.run_sync(os.stat, self.path)
        self.set_stat_headers(self.stat_result)
        wanted = Headers(scope=scope).get("if-none-match")
        if wanted is not None and _names(wanted, self.headers["etag"]):
            unchanged = Response(status_code=304, headers={"ETag": self.headers["etag"]})
            await unchanged(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def output_file(path: Path, content_type: str) -> OutputFile:
    """The file, as the type that it was made as, and as nothing else."""
    return OutputFile(path, media_type=content_type, headers=SAFE)


def _names(wanted: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    return etag in tags or tags == ["*"]
