"""A client that hangs up while it waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
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


class Leaving:
    """A client that sends a request, and hangs up when it is told to."""

    def __init__(self, app: Any, path: str, **body: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_heard = False
        """Whether the application waits for it to hang up."""
        self._body = [{"type": "http.request", "body": json.dumps(body).encode()}]
        self._hung_up = asyncio.Event()
        scope = {**SCOPE, "path": path, "raw_path": path.encode()}
        self.request = asyncio.create_task(app(scope, self._receive, self._send))

    async def hang_up(self) -> None:
        """And see the request's end."""
        self._hung_up.set()
        await asyncio.wait_for(self.request, 5)

    async def _receive(self) -> dict[str, Any]:
        if self._body:
            return self._body.pop()
        self.is_heard = True
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


@pytest.fixture
async def app(settings: Settings, gpu: GPUService) -> AsyncIterator[Any]:
    async with LifespanManager(create_app(settings)) as manager:
        yield manager.app


async def test_waiting_ends_and_the_task_goes_on(app: Any, gpu: GPUService) -> None:
    gpu.always(FakeJob.start)
    client = Leaving(app, "/generate", mode="free")
    await eventually(lambda: gpu.jobs)
    assert not client.request.done()
    await client.hang_up()
    assert client.sent[0]["status"] == 499
    assert (gpu.jobs[0].state, gpu.cancelled) == ("running", [])


async def test_order_that_is_being_taken_is_taken_to_its_end(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.always(FakeJob.start)
    gpu.has_workflows("free_generation", prompt={"type": "string"})
    async with LifespanManager(create_app(settings)) as manager:
        await eventually(lambda: "engine comfyui" in caplog.text)
        known = gpu.holds_workflows("dropped_in", prompt={"type": "string"})
        path = "/v1/images/generations"
        client = Leaving(manager.app, path, model="dropped_in", prompt="a lighthouse")
        await eventually(lambda: client.is_heard)
        leaving = asyncio.create_task(client.hang_up())
        await anyio.wait_all_tasks_blocked()
        known.set()
        await leaving
        assert client.sent[0]["status"] == 499
        await eventually(lambda: gpu.jobs)
