"""OWASP API Security Top 10 (2023), API4: unrestricted resource consumption."""

from collections.abc import AsyncIterator

import httpx
import pytest

from backend.access import Bounds, Scope
from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.routers.keys import a_key
from tests.backend.serving import serving


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
