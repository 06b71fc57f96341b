"""`POST /generate` with `Idempotency-Key`."""

import asyncio
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.serving import ended, serving
from tests.conditions import eventually

REQUEST = {"mode": "free", "prompt": "p", "extra_params": {"a": 1, "b": 2}}


async def post(
    client: httpx.AsyncClient, key: str = "k", body: Any = REQUEST, **headers: str
) -> httpx.Response:
    return await client.post(
        "/generate", json=body, headers={"Idempotency-Key": key, **headers}, timeout=30
    )


async def test_same_key_and_request_give_the_same_task(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    first, again = await post(client), await post(client)
    assert (first.status_code, again.status_code) == (200, 200)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()
    await ended(client, first.json()["task_id"])
    assert gpu.put.call_count == 1


async def test_answer_is_the_specification_s_also_once_the_task_is_done(
    client: httpx.AsyncClient,
) -> None:
    task_id = (await post(client)).json()["task_id"]
    await ended(client, task_id)
    again = await post(client)
    assert again.json() == {"task_id": task_id, "status": "queued", "image": None, "error": None}


async def test_order_of_the_fields_does_not_matter(client: httpx.AsyncClient) -> None:
    turned = {"extra_params": {"b": 2, "a": 1}, "prompt": "p", "mode": "free"}
    first, again = await post(client), await post(client, body=turned)
    assert again.json()["task_id"] == first.json()["task_id"]


@pytest.mark.parametrize(
    "body",
    [{"mode": "free", "prompt": "q"}, {**REQUEST, "mode": "other"}, {**REQUEST, "style": "anime"}],
)
async def test_same_key_with_another_request_is_422(client: httpx.AsyncClient, body: Any) -> None:
    await post(client)
    reply = await post(client, body=body)
    assert reply.status_code == 422
    problem = reply.json()
    assert (problem["code"], problem["retryable"]) == ("idempotency_key_reused", False)
    assert problem["parameter"] == "Idempotency-Key"
    assert "Use a new key" in problem["detail"]


async def test_other_keys_and_none_give_tasks_of_their_own(client: httpx.AsyncClient) -> None:
    replies = [await post(client), await post(client, "other")]
    replies += [await client.post("/generate", json=REQUEST) for _ in range(2)]
    assert len({reply.json()["task_id"] for reply in replies}) == 4
    assert not any("Idempotent-Replayed" in reply.headers for reply in replies)


async def test_fifty_at_once_give_one_task(gpu: GPUService, client: httpx.AsyncClient) -> None:
    replies = await asyncio.gather(*(post(client) for _ in range(50)))
    assert {reply.status_code for reply in replies} == {200}
    [task_id] = {reply.json()["task_id"] for reply in replies}
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1
    await ended(client, task_id)
    assert gpu.put.call_count == 1


async def test_fifty_at_once_with_two_requests_give_one_task_and_refusals(
    client: httpx.AsyncClient,
) -> None:
    bodies = [{"mode": "free", "prompt": "pq"[number % 2]} for number in range(50)]
    replies = await asyncio.gather(*(post(client, body=body) for body in bodies))
    assert [reply.status_code for reply in replies].count(422) == 25
    assert len({reply.json()["task_id"] for reply in replies if reply.status_code == 200}) == 1


async def test_key_outlives_a_restart(gpu: GPUService, settings: Settings) -> None:
    async with serving(settings) as client:
        task_id = (await post(client)).json()["task_id"]
    async with serving(settings) as client:
        again = await post(client)
    assert again.json()["task_id"] == task_id
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_replay_waits_for_the_first_s_end(gpu: GPUService, client: httpx.AsyncClient) -> None:
    release = gpu.holds()
    first = (await post(client)).json()["task_id"]
    await eventually(lambda: gpu.jobs)
    waiting = asyncio.create_task(post(client, Prefer="wait=30"))
    release.set()
    again = await waiting
    assert (again.status_code, again.json()["status"]) == (200, "done")
    assert again.json()["task_id"] == first
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == f"/tasks/{first}"


async def test_replay_is_answered_though_the_queue_is_full(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.holds()
    async with serving(settings, worker_concurrency=1, max_queued_tasks=1) as client:
        first = (await post(client)).json()["task_id"]
        while (await client.post("/generate", json=REQUEST)).status_code != 503:
            pass
        again = await post(client)
    assert (again.status_code, again.json()["task_id"]) == (200, first)


async def test_refused_request_leaves_its_key_free(bound_client: httpx.AsyncClient) -> None:
    assert (await post(bound_client, body={"mode": "fre"})).status_code == 422
    good = await post(bound_client, body={"mode": "free"})
    assert good.status_code == 200
    assert "Idempotent-Replayed" not in good.headers


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_key_of_no_use_is_422(client: httpx.AsyncClient, key: str) -> None:
    reply = await post(client, key)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["header", "idempotency-key"]


async def test_key_may_have_any_characters_that_a_header_may(client: httpx.AsyncClient) -> None:
    headers = [(b"Idempotency-Key", "ü \"k' --;".encode("latin-1"))]
    first = await client.post("/generate", json=REQUEST, headers=headers)
    again = await client.post("/generate", json=REQUEST, headers=headers)
    assert again.json()["task_id"] == first.json()["task_id"]
