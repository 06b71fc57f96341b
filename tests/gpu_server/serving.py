"""The GPU service in this process, its lifespan run as a server would run it."""

import base64
import io
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from PIL import Image

from gpu_server.config import Engine, Settings
from gpu_server.main import create_app
from gpu_server.state import ServiceState

SHIPPED = Path(__file__).resolve().parents[2] / "gpu_server" / "workflows"
NOBODY = "http://127.0.0.1:9"
"""An address where no ComfyUI is."""


@dataclass(frozen=True)
class Service:
    """A started GPU service: its HTTP side, and what it holds."""

    http: httpx.AsyncClient
    state: ServiceState

    async def generate(self, workflow: str, **params: Any) -> httpx.Response:
        return await self.send(json.dumps({"workflow": workflow, "params": params}))

    async def send(
        self, body: str | bytes | AsyncIterator[bytes], **headers: str
    ) -> httpx.Response:
        """Post a body as it is, which may be no JSON at all, to `/generate`."""
        headers = {"Content-Type": "application/json", **headers}
        return await self.http.post("/generate", content=body, headers=headers)


def settings(**given: Any) -> Settings:
    """The defaults with the shipped workflows and no ComfyUI, but for what is given."""
    known = {"comfyui_api_url": NOBODY, "workflows_path": SHIPPED}
    return Settings(_env_file=None, **{**known, **given})


@asynccontextmanager
async def serving(**given: Any) -> AsyncIterator[Service]:
    """The service with these settings, from its start to its stop."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        app = create_app(
            settings(**{"object_info_path": Path(folder, "object_info.json"), **given})
        )
        async with LifespanManager(app, startup_timeout=10) as manager:
            transport = httpx.ASGITransport(manager.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gpu") as http:
                yield Service(http, app.state.service)


@asynccontextmanager
async def running(comfyui_api_url: str, **given: Any) -> AsyncIterator[Service]:
    """The service with the engine that runs workflows in this ComfyUI."""
    engine = Engine.COMFYUI
    async with serving(
        generation_engine=engine, comfyui_api_url=comfyui_api_url, **given
    ) as service:
        yield service


def picture(reply: httpx.Response) -> Image.Image:
    """The image of an answer that has one, decoded to its last byte."""
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert answer["error"] is None
    assert answer["status"] == "done"
    image = Image.open(io.BytesIO(base64.b64decode(answer["image"], validate=True)))
    image.load()
    return image


def problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal with this status and code."""
    assert (reply.status_code, reply.json().get("code")) == (status, code), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = reply.json()
    assert document["status"] == status
    assert "Traceback" not in reply.text
    return document
