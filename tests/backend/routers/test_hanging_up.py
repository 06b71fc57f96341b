"""A client that hangs up while it waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgi_lifespan import LifespanManager

from backend.config import Settings
from backend.main import create_app
from tests.backend.gpu_service import FakeJob, GPUService
from tests.conditions import eventually

SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/generate",
    "raw_path": b"/generate",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json"), (b"prefer", b"wait=60")],
    "client": ("127.0.0.1", 1),
    "server": ("backend.test", 80),
}


@pytest.fixture
async def app(settings: Settings, gpu: GPUService) -> AsyncIterator[Any]:
    async with LifespanManager(create_app(settings)) as manager:
        yield manager.app


async def test_waiting_ends_and_the_task_goes_on(app: Any, gpu: GPUService) -> None:
    gpu.always(FakeJob.start)
    hung_up = asyncio.Event()
    body = [{"type": "http.request", "body": json.dumps({"mode": "free"}).encode()}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    request = asyncio.create_task(app(SCOPE, receive, send))
    await eventually(lambda: gpu.jobs)
    assert not request.done()
    hung_up.set()
    await asyncio.wait_for(request, 5)
    assert sent[0]["status"] == 499
    assert (gpu.jobs[0].state, gpu.cancelled) == ("running", [])
