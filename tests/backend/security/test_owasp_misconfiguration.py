"""OWASP API8 and API9 (2023): security misconfiguration, and the inventory of what there is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from backend.config import Settings
from backend.main import create_app
from backend.schemas.response_task import TaskResponse
from backend.services.tasks import TaskService
from backend.state import BackendState
from tests.backend.gpu_service import GPUService
from tests.backend.serving import make_settings, serving

PAGE = {"Origin": "https://page.example"}
PREFLIGHT = {
    **PAGE,
    "Access-Control-Request-Method": "DELETE",
    "Access-Control-Request-Headers": "Authorization, X-Priority",
}


# API8: CORS


async def test_api8_any_page_may_call_without_credentials(client: httpx.AsyncClient) -> None:
    reply = await client.get("/health", headers=PAGE)
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in reply.headers


async def test_api8_preflight_is_answered_for_every_method_and_header(
    client: httpx.AsyncClient,
) -> None:
    reply = await client.options("/tasks/x", headers=PREFLIGHT)
    assert reply.status_code == 200
    assert "DELETE" in reply.headers["Access-Control-Allow-Methods"]
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"].lower()


async def test_api8_only_allowed_pages_may_call(settings: Settings, gpu: GPUService) -> None:
    async with serving(settings, cors_origins=["https://ours.example"]) as client:
        ours = await client.get("/health", headers={"Origin": "https://ours.example"})
        theirs = await client.get("/health", headers=PAGE)
        refused = await client.options("/tasks/x", headers=PREFLIGHT)
    assert ours.headers["Access-Control-Allow-Origin"] == "https://ours.example"
    assert "Access-Control-Allow-Origin" not in theirs.headers
    assert refused.status_code == 400


async def failing(client: httpx.AsyncClient, kind: str) -> httpx.Response:
    match kind:
        case "401":
            return await client.get("/tasks", headers=PAGE)
        case "404":
            return await client.get("/nowhere", headers=PAGE)
        case _:
            return await client.put("/generate", headers=PAGE)


@pytest.mark.parametrize("kind", ["401", "404", "405"])
async def test_api8_pages_can_read_errors_too(
    settings: Settings, gpu: GPUService, kind: str
) -> None:
    async with serving(settings, require_api_key=True) as client:
        reply = await failing(client, kind)
    assert reply.status_code == int(kind)
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "RateLimit" in reply.headers["Access-Control-Expose-Headers"]


async def test_api8_pages_can_read_that_there_is_a_bug(settings: Settings, gpu: GPUService) -> None:
    class Buggy(TaskService):
        async def show(self, *_: Any, **__: Any) -> TaskResponse:
            raise RuntimeError("the password is 1234")

    app = create_app(settings)
    async with LifespanManager(app) as manager:
        state: BackendState = app.state.backend
        # It has all that the real one has, and a bug.
        tasks = Buggy.__new__(Buggy)
        app.state.backend = replace(state, tasks=tasks)
        transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            reply = await client.get("/tasks/x", headers=PAGE)
        app.state.backend = state
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "1234" not in reply.text
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


# API8: what answers give away


@pytest.mark.parametrize("method", ["TRACE", "PATCH", "NONSENSE"])
async def test_api8_odd_methods_are_refused_and_the_right_ones_named(
    client: httpx.AsyncClient, method: str
) -> None:
    reply = await client.request(method, "/tasks/x")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == "DELETE, GET"


@pytest.mark.parametrize("path", ["/tasks/x", "/nowhere", "/tasks?cursor=x", "/v1/models/x"])
async def test_api8_errors_have_no_trace_and_no_path(
    client: httpx.AsyncClient, settings: Settings, path: str
) -> None:
    reply = await client.get(path)
    assert reply.status_code in (404, 422)
    assert str(settings.data_path) not in reply.text
    assert ".py" not in reply.text


# API9: improper inventory management


def app() -> FastAPI:
    return create_app(make_settings(Path("unused")))


def test_api9_every_route_is_in_the_document() -> None:
    found: set[str] = set()

    def walk(routes: Any) -> None:
        for route in routes:
            path = getattr(route, "path", None)
            inner = getattr(getattr(route, "original_router", None), "routes", None)
            if inner is not None:
                walk(inner)
            elif path is not None and hasattr(route, "operation_id"):
                found.add(path)

    whole = app()
    walk(whole.routes)
    assert found
    assert found - {"/"} <= set(whole.openapi()["paths"]), "all but the page, which is no API"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_api9_document_is_there_to_be_read(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200
