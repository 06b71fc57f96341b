"""A running backend, and the GPU service that it sees over the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import respx
from asgi_lifespan import LifespanManager

from backend.config import Settings
from backend.main import create_app
from tests.conditions import eventually

GPU_URL = "http://gpu.test:8001"
PLACEHOLDER = "dummy_base64_placeholder"
DONE = {"status": "done", "image": PLACEHOLDER, "error": None}


class GPUService:
    """respx in the GPU service's place; with the stub engine, until told otherwise."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.health = router.get(f"{GPU_URL}/health")
        self.health.respond(json={"status": "degraded", "comfyui_available": False})
        self.workflows = router.get(f"{GPU_URL}/workflows")
        self.workflows.respond(json={"engine": "stub", "workflows": []})
        self.generate = router.post(f"{GPU_URL}/generate")
        self.generate.respond(json=DONE)
        self.asked = 0
        """Requests to /generate that were held: respx counts a call once it is answered."""

    def has_workflows(self, *names: str) -> None:
        """A ComfyUI engine with these workflows."""
        entries = [{"name": name, "parameters": {"type": "object"}} for name in names]
        self.workflows.respond(json={"engine": "comfyui", "workflows": entries})

    def holds(self) -> asyncio.Event:
        """From now on an answer to /generate comes only once the event is set."""
        event = asyncio.Event()

        async def answer(_: httpx.Request) -> httpx.Response:
            self.asked += 1
            await event.wait()
            return httpx.Response(200, json=DONE)

        self.generate.side_effect = answer
        return event


def make_settings(folder: Path, **changes: Any) -> Settings:
    """Settings for one test: its own data folder, the respx GPU service, no `.env`."""
    values = {"data_path": folder / "data", "gpu_service_url": GPU_URL, **changes}
    return Settings(_env_file=None, **values)


@asynccontextmanager
async def serving(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend that runs with these settings, but for `changes`."""
    changed = Settings(_env_file=None, **{**settings.model_dump(), **changes})
    async with (
        LifespanManager(create_app(changed)) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app, raise_app_exceptions=False),
            base_url="http://backend.test",
        ) as client,
    ):
        yield client


async def ended(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """The task once it has ended."""

    async def look() -> dict[str, Any] | None:
        task: dict[str, Any] = (await client.get(f"/tasks/{task_id}")).json()
        return task if task["status"] in ("done", "failed") else None

    task: dict[str, Any] = await eventually(look)
    return task


def running(client: httpx.AsyncClient, task_id: str) -> Callable[[], Coroutine[Any, Any, bool]]:
    """Whether the task runs, to wait for."""

    async def look() -> bool:
        return bool((await client.get(f"/tasks/{task_id}")).json()["status"] == "running")

    return look
