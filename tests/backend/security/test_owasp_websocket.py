"""OWASP API Security Top 10 (2023), API1, API2 and API5 over a WebSocket."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from backend.access import Scope
from backend.config import Settings
from backend.main import create_app
from tests.backend.gpu_service import GPUService
from tests.backend.routers.keys import a_key
from tests.backend.security.test_owasp_access import NOTHING


async def opened(app: Any, task_id: str, query: str = "", **headers: str) -> tuple[int, str]:
    """The status that refuses a WebSocket of the task, or 101, and the body."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "websocket",
        "path": f"/tasks/{task_id}/ws",
        "raw_path": b"",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
        "client": ("192.0.2.1", 1),
        "extensions": {"websocket.http.response": {}},
        "app": app,
    }
    coming: list[dict[str, Any]] = [
        {"type": "websocket.disconnect", "code": 1000},
        {"type": "websocket.connect"},
    ]

    async def receive() -> dict[str, Any]:
        return coming.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0].get("status", 101), body.decode()


@pytest.fixture
async def locked_app(settings: Settings, gpu: GPUService) -> AsyncIterator[FastAPI]:
    values = {"require_api_key": True, "cors_origins": ["https://ours.example"]}
    app = create_app(Settings(_env_file=None, **{**settings.model_dump(), **values}))
    async with LifespanManager(app):
        yield app


async def queued_by(app: FastAPI, key: dict[str, str]) -> str:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        reply = await client.post("/generate", json={"mode": "free"}, headers=key)
    task_id: str = reply.json()["task_id"]
    return task_id


async def test_websocket_asks_for_a_key_its_scope_and_its_owner(
    locked_app: FastAPI, settings: Settings
) -> None:
    owner, stranger = await a_key(settings), await a_key(settings)
    submitter = await a_key(settings, Scope.SUBMIT)
    task_id = await queued_by(locked_app, owner)
    assert (await opened(locked_app, task_id, **owner))[0] == 101
    assert (await opened(locked_app, task_id))[0] == 401
    assert (await opened(locked_app, task_id, **submitter))[0] == 403
    refused, unknown = [await opened(locked_app, each, **stranger) for each in (task_id, NOTHING)]
    assert refused[0] == unknown[0] == 404
    assert refused[1].replace(task_id, NOTHING) == unknown[1]


@pytest.mark.parametrize(
    ("origin", "status"), [("https://ours.example", 101), ("https://evil.example", 403)]
)
async def test_websocket_of_another_site_s_page_is_refused(
    locked_app: FastAPI, settings: Settings, origin: str, status: int
) -> None:
    owner = await a_key(settings)
    task_id = await queued_by(locked_app, owner)
    assert (await opened(locked_app, task_id, **owner, Origin=origin))[0] == status


@pytest.mark.parametrize("after", ["-1", "x", "", "9" * 100])
async def test_number_that_is_none_is_no_reason_to_refuse(
    locked_app: FastAPI, settings: Settings, after: str
) -> None:
    """As with `Last-Event-ID`: a refused handshake would look like a missing key."""
    owner = await a_key(settings)
    task_id = await queued_by(locked_app, owner)
    assert (await opened(locked_app, task_id, f"after={after}", **owner))[0] == 101
