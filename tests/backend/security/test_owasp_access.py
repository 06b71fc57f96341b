"""OWASP API Security Top 10 (2023), what concerns access: API1, API2, API4, API5.

The routes are those that the application has: a new one without its scope fails here.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from backend.access import Bounds, Scope
from backend.config import Settings
from backend.main import create_app
from tests.backend.gpu_service import GPUService
from tests.backend.routers.keys import a_key
from tests.backend.serving import ended, make_settings, serving

OPEN = {"/health", "/livez", "/readyz", "/access"}
"""For whoever has no key yet; they say nothing of anybody's tasks."""
READING = {"GET", "HEAD"}
NOTHING = "00000000-0000-4000-8000-000000000000"


def routes() -> list[tuple[str, str]]:
    app: FastAPI = create_app(make_settings(Path("unused")))
    found = {
        (method, path)
        for path, operations in app.openapi()["paths"].items()
        for method in map(str.upper, operations)
    }
    return sorted(found)


PROTECTED = [(method, path) for method, path in routes() if path not in OPEN]
OF_A_TASK = [(method, path) for method, path in PROTECTED if "{task_id}" in path]
each_route = pytest.mark.parametrize(("method", "path"), PROTECTED)


def filled(path: str, task_id: str = NOTHING) -> str:
    for name in ("task_id", "mode", "model", "number", "webhook_id", "delivery_id", "key_id"):
        path = path.replace(f"{{{name}}}", task_id if name == "task_id" else "0")
    assert "{" not in path, f"no value for a parameter of {path}"
    return path


@pytest.fixture
async def locked(settings: Settings, gpu: GPUService) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, where keys are on."""
    async with serving(settings, require_api_key=True) as client:
        yield client


def test_there_are_routes_to_look_at() -> None:
    assert len(PROTECTED) > 8
    assert ("POST", "/generate") in PROTECTED
    assert len(OF_A_TASK) > 4


# API2: broken authentication


@each_route
async def test_api2_without_a_key_nobody_gets_in(
    locked: httpx.AsyncClient, method: str, path: str
) -> None:
    reply = await locked.request(method, filled(path))
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert "api_key_missing" in reply.text


@each_route
async def test_api2_key_in_the_query_lets_nobody_in(
    locked: httpx.AsyncClient, settings: Settings, method: str, path: str
) -> None:
    secret = (await a_key(settings, *Scope))["Authorization"].removeprefix("Bearer ")
    query = {"key": secret, "api_key": secret, "token": secret, "access_token": secret}
    assert (await locked.request(method, filled(path), params=query)).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [{"expires_at": time.time() - 1}, {"revoked_at": time.time() - 1}],
    ids=["expired", "revoked"],
)
async def test_api2_key_that_was_one_lets_nobody_in(
    locked: httpx.AsyncClient, settings: Settings, changes: dict[str, float]
) -> None:
    reply = await locked.get("/tasks", headers=await a_key(settings, **changes))
    assert (reply.status_code, reply.json()["code"]) == (401, "api_key_invalid")


async def test_api2_answer_does_not_tell_what_is_wrong_with_a_key(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    unknown = await locked.get("/tasks", headers={"X-API-Key": "x" * 43})
    revoked = await locked.get("/tasks", headers=await a_key(settings, revoked_at=1.0))
    assert unknown.json() == revoked.json()
    assert "x" * 43 not in unknown.text


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_api2_either_header_will_do(
    locked: httpx.AsyncClient, settings: Settings, header: str
) -> None:
    secret = (await a_key(settings))["Authorization"].removeprefix("Bearer ")
    value = f"bearer {secret}" if header == "Authorization" else secret
    assert (await locked.get("/tasks", headers={header: value})).status_code == 200


async def test_api2_first_key_turns_keys_on_and_the_last_revoked_one_leaves_them_on(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    assert (await client.get("/tasks")).status_code == 200
    await a_key(settings, revoked_at=1.0)
    assert (await client.get("/tasks")).status_code == 401


async def test_api2_file_of_keys_that_cannot_be_read_lets_nobody_in(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    (settings.data_path / "keys.sqlite3").write_bytes(b"no database" * 1000)
    reply = await client.get("/tasks")
    assert (reply.status_code, reply.json()["code"]) == (503, "keys_unusable")


async def test_api2_no_key_is_logged_or_kept(
    locked: httpx.AsyncClient,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    header = await a_key(settings)
    secret = header["Authorization"].removeprefix("Bearer ")
    for body in ({"mode": "free"}, {"mode": 1}):
        await locked.post("/generate", json=body, headers=header)
    kept = b"".join(file.read_bytes() for file in settings.data_path.iterdir() if file.is_file())
    assert secret not in caplog.text + "".join(capfd.readouterr())
    assert secret.encode() not in kept


# API5: broken function level authorization


def needed(method: str, path: str) -> Scope:
    if path == "/metrics":
        return Scope.METRICS
    return Scope.READ if method in READING else Scope.SUBMIT


@each_route
async def test_api5_key_without_the_scope_is_refused(
    locked: httpx.AsyncClient, settings: Settings, method: str, path: str
) -> None:
    others = {Scope.READ, Scope.SUBMIT, Scope.METRICS} - {needed(method, path)}
    reply = await locked.request(method, filled(path), headers=await a_key(settings, *others))
    assert reply.status_code == 403
    assert "scope_missing" in reply.text


@each_route
async def test_api5_admin_is_never_refused_for_a_scope(
    locked: httpx.AsyncClient, settings: Settings, method: str, path: str
) -> None:
    reply = await locked.request(method, filled(path), headers=await a_key(settings, Scope.ADMIN))
    assert reply.status_code not in (401, 403)


# API1: broken object level authorization


@pytest.mark.parametrize(("method", "path"), OF_A_TASK)
async def test_api1_another_key_s_task_is_as_good_as_none(
    locked: httpx.AsyncClient, settings: Settings, method: str, path: str
) -> None:
    owner, stranger = await a_key(settings), await a_key(settings)
    task_id = (await locked.post("/generate", json={"mode": "free"}, headers=owner)).json()[
        "task_id"
    ]
    locked.headers.update(owner)
    await ended(locked, task_id)
    theirs = await locked.request(method, filled(path, task_id), headers=stranger)
    nothing = await locked.request(method, filled(path), headers=stranger)
    assert theirs.status_code == nothing.status_code == 404
    assert theirs.text.replace(task_id, NOTHING) == nothing.text


async def test_api1_list_has_only_one_s_own_tasks(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    mine, theirs, admin = [await a_key(settings, *scopes) for scopes in ((), (), (Scope.ADMIN,))]
    for key in (mine, theirs):
        await locked.post("/generate", json={"mode": "free"}, headers=key)
    found = [
        len((await locked.get("/tasks", headers=key)).json()["tasks"])
        for key in (mine, theirs, admin)
    ]
    assert found == [1, 1, 2]


async def test_api1_idempotency_key_of_another_brings_no_task_of_theirs(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    replies = [
        await locked.post(
            "/generate",
            json={"mode": "free"},
            headers={**await a_key(settings), "Idempotency-Key": "same"},
        )
        for _ in range(2)
    ]
    assert len({reply.json()["task_id"] for reply in replies}) == 2


# API4: unrestricted resource consumption


async def test_api4_key_sends_no_more_requests_than_it_may(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    key = await a_key(settings, bounds=Bounds(requests_per_minute=2))
    replies = [await locked.get("/tasks", headers=key) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [reply.headers["RateLimit"].split(";")[1] for reply in replies] == ["r=1", "r=0", "r=0"]
    assert {reply.headers["RateLimit-Policy"] for reply in replies} == {'"default";q=2;w=60'}
    assert replies[2].json()["code"] == "rate_limited"
    assert int(replies[2].headers["Retry-After"]) >= 1


async def test_api4_key_has_no_more_tasks_at_once_than_it_may(
    locked: httpx.AsyncClient, settings: Settings, gpu: GPUService
) -> None:
    gpu.holds()
    key = await a_key(settings, bounds=Bounds(concurrent_tasks=1))
    first = await locked.post("/generate", json={"mode": "free"}, headers=key)
    second = await locked.post("/generate", json={"mode": "free"}, headers=key)
    assert (first.status_code, second.status_code) == (200, 429)
    assert (second.json()["code"], second.headers["Retry-After"]) == ("concurrent_limit", "5")


async def test_api4_key_sends_no_more_tasks_a_day_than_it_may(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    key = await a_key(settings, bounds=Bounds(tasks_per_day=1))
    replies = [await locked.post("/generate", json={"mode": "free"}, headers=key) for _ in range(2)]
    assert replies[1].json()["code"] == "daily_limit"
    assert 0 < int(replies[1].headers["Retry-After"]) <= 86401


async def test_api4_whoever_guesses_keys_is_slowed_down_and_nobody_else(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    codes = [
        (await locked.get("/tasks", headers={"X-API-Key": f"guess {number}"})).status_code
        for number in range(70)
    ]
    assert set(codes[:50]) == {401}
    assert set(codes) == {401, 429}
    assert (await locked.get("/tasks", headers=await a_key(settings))).status_code == 200


async def test_api4_addresses_are_bounded_where_keys_are_off(
    settings: Settings, gpu: GPUService
) -> None:
    async with serving(settings, rate_limit_per_address="1/minute") as client:
        codes = [(await client.get("/modes")).status_code for _ in range(2)]
        assert (codes, (await client.get("/health")).status_code) == ([200, 429], 200)


# WebSockets


async def opened(app: Any, task_id: str, **headers: str) -> tuple[int, str]:
    """The status that refuses a WebSocket of the task, or 101, and the body."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "websocket",
        "path": f"/tasks/{task_id}/ws",
        "raw_path": b"",
        "query_string": b"",
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


@pytest.mark.parametrize("path", ["/generate", "/v1/images/generations", "/v1/images/edits"])
@pytest.mark.parametrize("key", ["none", "wrong", "another scope"])
async def test_api4_stranger_s_body_is_not_read(
    locked: httpx.AsyncClient, settings: Settings, path: str, key: str
) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 100_000

    headers = {"Content-Type": "application/json", "Content-Length": "10000000"}
    if key == "wrong":
        headers["X-API-Key"] = "sk-nobody-has-this"
    elif key == "another scope":
        headers |= await a_key(settings, Scope.READ)
    reply = await locked.post(path, content=body(), headers=headers)
    assert reply.status_code == (403 if key == "another scope" else 401)
    assert read <= 1
    assert (reply.headers.get("Connection") == "close") is (reply.status_code == 401)
