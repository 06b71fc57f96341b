"""`POST /generate` and what nobody should send it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.serving import ended, serving

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        r'{"mode": "\ud800"}',
        r'{"mode": "free", "prompt": "a \udfff"}',
        r'{"mode": "free", "style": "\ud83d"}',
        r'{"mode": "free", "face_images": ["\ud800"]}',
        r'{"mode": "free", "target_image": "\ud800"}',
        r'{"mode": "free", "extra_params": {"a": "\ud800"}}',
        r'{"mode": "free", "extra_params": {"\ud800": 1}}',
        '{"mode": NaN}',
        '{"mode": 1e999}',
        '{"mode": "free", "extra_params": {"cfg": NaN}}',
        '{"mode": "free", "extra_params": {"cfg": -1e999}}',
        '{"mode": "free", "extra_params": {"seed": %s}}' % ("9" * 5000),
        '{"mode": %s}' % ("[" * 500 + "]" * 500),
        '{"mode": %s' % ("[" * 100_000),
    ],
)
async def test_what_cannot_be_passed_on_is_422_in_clean_json(
    client: httpx.AsyncClient, body: str
) -> None:
    reply = await client.post("/generate", content=body, headers=JSON)
    assert reply.status_code == 422

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    assert json.loads(reply.content, parse_constant=refuse)["detail"]


@pytest.mark.parametrize("levels", [65, 300, 960, 5000])
async def test_deep_nesting_is_refused(client: httpx.AsyncClient, levels: int) -> None:
    nested = "[" * levels + "]" * levels
    body = f'{{"mode": "free", "extra_params": {{"a": {nested}}}}}'
    assert (await client.post("/generate", content=body, headers=JSON)).status_code == 422


async def test_usual_nesting_is_taken(gpu: GPUService, client: httpx.AsyncClient) -> None:
    nested: Any = "leaf"
    for _ in range(60):
        nested = [nested]
    reply = await client.post("/generate", json={"mode": "free", "extra_params": {"a": nested}})
    await ended(client, reply.json()["task_id"])
    assert gpu.jobs[0].sent["params"] == {"a": nested}


async def test_huge_integer_goes_through_whole(gpu: GPUService, client: httpx.AsyncClient) -> None:
    seed = 2**64 - 1
    reply = await client.post("/generate", json={"mode": "free", "extra_params": {"seed": seed}})
    await ended(client, reply.json()["task_id"])
    assert gpu.jobs[0].sent["params"] == {"seed": seed}


@pytest.mark.parametrize(
    "request_body",
    [
        {"mode": ["x" * 100_000]},
        {"target_image": "x" * 100_000},
        {"mode": "free", "face_images": [0] * 100_000},
        {"mode": "free", "face_images": {"x" * 100_000: 1}},
    ],
)
async def test_big_wrong_input_is_not_sent_back(
    client: httpx.AsyncClient, request_body: dict[str, Any]
) -> None:
    reply = await client.post("/generate", json=request_body)
    assert reply.status_code == 422
    assert len(reply.content) < 2000


async def test_small_wrong_input_is_sent_back(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json={"mode": 17})
    assert reply.json()["detail"][0]["input"] == 17


async def chunks(sent: list[int], total: int) -> AsyncIterator[bytes]:
    for number in range(total):
        sent.append(number)
        yield b"x" * 256 * 1024


async def test_body_over_the_bound_is_413(gpu: GPUService, settings: Settings) -> None:
    async with serving(settings, max_body_mb=1) as client:
        reply = await client.post("/generate", json={"mode": "x" * 1024 * 1024})
    assert reply.status_code == 413
    assert reply.json()["code"] == "body_too_large"
    assert "raise MAX_BODY_MB" in reply.json()["detail"]


async def test_chunked_body_is_413_once_it_is_over_the_bound(
    gpu: GPUService, settings: Settings
) -> None:
    sent: list[int] = []
    async with serving(settings, max_body_mb=1) as client:
        reply = await client.post("/generate", content=chunks(sent, 1000), headers=JSON)
    assert reply.status_code == 413
    assert len(sent) <= 6


async def test_body_at_the_bound_is_taken(gpu: GPUService, settings: Settings) -> None:
    body = b'{"mode": "free"}'.ljust(1024 * 1024)
    async with serving(settings, max_body_mb=1) as client:
        reply = await client.post("/generate", content=body, headers=JSON)
    assert reply.status_code == 200
