"""`GET /access`, `GET /keys`, `DELETE /keys/{key_id}`."""

from collections.abc import AsyncIterator

import httpx
import pytest

from backend.access import Bounds, Scope
from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.routers.keys import a_key
from tests.backend.serving import serving


@pytest.fixture
async def locked(settings: Settings, gpu: GPUService) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(settings, require_api_key=True) as client:
        yield client


async def test_access_while_keys_are_off(client: httpx.AsyncClient) -> None:
    assert (await client.get("/access")).json() == {
        "keys": "off",
        "granted": True,
        "name": "everybody",
        "scopes": ["admin", "metrics", "read", "submit"],
        "detail": None,
    }


async def test_access_without_a_key_says_what_to_do(locked: httpx.AsyncClient) -> None:
    reply = await locked.get("/access")
    told = reply.json()
    assert (reply.status_code, told["keys"], told["granted"]) == (200, "on", False)
    assert "X-API-Key" in told["detail"]


async def test_access_with_a_key_says_what_it_may(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    key = await a_key(settings, Scope.READ, name="a guest")
    told = (await locked.get("/access", headers=key)).json()
    assert (told["granted"], told["name"], told["scopes"]) == (True, "a guest", ["read"])


async def test_access_is_no_way_around_the_limit_on_guesses(locked: httpx.AsyncClient) -> None:
    codes = [
        (await locked.get("/access", headers={"X-API-Key": f"guess {number}"})).status_code
        for number in range(61)
    ]
    assert set(codes[:60]) == {200}
    assert codes[60] == 429


async def test_access_with_a_key_counts_against_its_limit(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    key = await a_key(settings, bounds=Bounds(requests_per_minute=1))
    codes = [(await locked.get("/access", headers=key)).status_code for _ in range(2)]
    assert codes == [200, 429]


async def test_keys_are_listed_with_their_limits_and_without_themselves(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    admin = await a_key(settings, Scope.ADMIN, name="root")
    other = await a_key(settings, bounds=Bounds(concurrent_tasks=2), expires_at=1.0)
    reply = await locked.get("/keys", headers=admin)
    first, second = reply.json()["keys"]
    assert (first["name"], first["scopes"], first["state"]) == ("root", ["admin"], "valid")
    assert second["bounds"]["concurrent_tasks"] == 2
    assert (second["state"], second["expires_at"]) == ("expired", "1970-01-01T00:00:01Z")
    for header in (admin, other):
        assert header["Authorization"].removeprefix("Bearer ") not in reply.text


async def test_revoked_key_lets_nobody_in_from_then_on(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    admin = await a_key(settings, Scope.ADMIN)
    other = await a_key(settings, id="key_1")
    assert (await locked.get("/tasks", headers=other)).status_code == 200
    for _ in range(2):
        reply = await locked.delete("/keys/key_1", headers=admin)
        assert (reply.status_code, reply.json()["state"]) == (200, "revoked")
    assert (await locked.get("/tasks", headers=other)).status_code == 401


async def test_key_that_is_not_there_cannot_be_revoked(
    locked: httpx.AsyncClient, settings: Settings
) -> None:
    reply = await locked.delete("/keys/key_1", headers=await a_key(settings, Scope.ADMIN))
    assert (reply.status_code, reply.json()["code"]) == (404, "key_not_found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/keys"), ("DELETE", "/keys/key_1")])
async def test_keys_are_the_admins(
    locked: httpx.AsyncClient, settings: Settings, method: str, path: str
) -> None:
    key = await a_key(settings, Scope.READ, Scope.SUBMIT)
    assert (await locked.request(method, path, headers=key)).status_code == 403
