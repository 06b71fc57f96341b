"""A running backend, and the GPU service that it sees over the wire."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from asgi_lifespan import LifespanManager

from backend.config import Settings
from backend.main import create_app
from tests.backend.gpu_service import GPU_URL
from tests.conditions import eventually

ENDED = ("done", "failed", "cancelled")


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
        return task if task["status"] in ENDED else None

    task: dict[str, Any] = await eventually(look)
    return task


def running(client: httpx.AsyncClient, task_id: str) -> Callable[[], Coroutine[Any, Any, bool]]:
    """Whether the task runs, to wait for."""

    async def look() -> bool:
        return bool((await client.get(f"/tasks/{task_id}")).json()["status"] == "running")

    return look
