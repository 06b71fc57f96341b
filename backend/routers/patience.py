"""Answers that may take longer than a proxy waits for a silent one."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable
from contextlib import suppress

import anyio
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from backend.errors import BackendError
from backend.openai_errors import envelope

SILENT_SECONDS, BEAT_SECONDS = 60.0, 15.0
"""A pod's proxy gives up after about 100. JSON may begin with any number of spaces."""


async def patient(
    work: Awaitable[BaseModel], arrived: float, silent: float = SILENT_SECONDS
) -> Response:
    """What `work` answers, as JSON, to a request that arrived then, by the event loop's clock.

    Where that takes long, the answer begins, as a 200, before it is known, and is kept alive with
    spaces; an error is then OpenAI's envelope in the body. Raises what `work` raises before.
    """
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait({doing}, timeout=max(arrived + silent - anyio.current_time(), 0.0))
    except asyncio.CancelledError:
        await _give_up(doing)
        raise
    if doing.done():
        return JSONResponse(doing.result().model_dump(exclude_none=True))
    return StreamingResponse(_kept_alive(doing), media_type="application/json")


async def _kept_alive(doing: "asyncio.Future[BaseModel]") -> AsyncGenerator[bytes, None]:
    try:
        while not doing.done():
            yield b" "
            await asyncio.wait({doing}, timeout=BEAT_SECONDS)
        try:
            body = doing.result().model_dump(exclude_none=True)
        except BackendError as exc:
            body = envelope(exc.status, exc.code, exc.message, exc.extra)
        yield json.dumps(body).encode()
    finally:
        await _give_up(doing)


async def _give_up(doing: "asyncio.Future[BaseModel]") -> None:
    doing.cancel()
    with suppress(asyncio.CancelledError, BackendError):
        await doing
