"""OWASP API Security Top 10 (2023), what concerns access: API1, API2, API5.

The routes are those that the application has: a new one without its scope fails here.
"""

import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from backend.access import Scope
from backend.config import Settings
from backend.main import create_app
from tests.backend.routers.keys import a_key
from tests.backend.serving import ended, make_settings

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
