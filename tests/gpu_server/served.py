"""The GPU service on a real port of this process: for what only a connection shows."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from gpu_server.config import Engine
from gpu_server.main import create_app
from tests import plain_http
from tests.fake_comfyui.running import EmbeddedServer
from tests.fake_comfyui.server import listener
from tests.gpu_server.serving import settings


@asynccontextmanager
async def served(comfyui_api_url: str, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that runs workflows in this ComfyUI."""
    with tempfile.TemporaryDirectory() as folder:
        given.setdefault("object_info_path", Path(folder, "object_info.json"))
        chosen = settings(
            generation_engine=Engine.COMFYUI, comfyui_api_url=comfyui_api_url, **given
        )
        server = EmbeddedServer(uvicorn.Config(create_app(chosen), log_config=None))
        bound = listener("127.0.0.1", 0)
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[bound]), name="gpu-service")
        try:
            await asyncio.wait_for(server.listening.wait(), 10)
            async with plain_http.AsyncClient(base_url=url, timeout=10) as http:
                yield http
        finally:
            server.stopping.set()
            await serving
