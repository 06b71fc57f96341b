"""Large JSON bodies are read as small ones are."""

import json
from typing import Any

import httpx
import pytest

from backend.heavy import LARGE
from backend.routers.body_route import MOST_VALUES
from tests.backend.gpu_service import GPUService
from tests.backend.serving import ended

PADDING = "x" * LARGE


@pytest.mark.parametrize(
    "params",
    [
        {"seed": 2**64 - 1, "cfg": 7.5, "text": "ü\x00\u2028"},
        {"nested": [{"a": None, "b": [True, False]}], "empty": {}},
    ],
    ids=str,
)
async def test_what_was_sent_arrives(
    client: httpx.AsyncClient, gpu: GPUService, params: dict[str, Any]
) -> None:
    body = {"mode": "free", "prompt": PADDING, "extra_params": params}
    task_id = (await client.post("/generate", json=body)).json()["task_id"]
    await ended(client, task_id)
    assert gpu.jobs[0].sent["params"] == {"prompt": PADDING, **params}


@pytest.mark.parametrize(
    "text",
    [
        '{"mode": "free", "prompt": ',
        '{"mode": "free", "prompt": "%s"',
        '{"mode": "free", "prompt": "%s"} more',
        '["%s"]',
        '{"mode": 1, "prompt": "%s"}',
        '{"mode": "free", "prompt": "%s\\ud800"}',
        '{"mode": "free", "prompt": "%s", "extra_params": {"cfg": NaN}}',
    ],
)
async def test_what_is_wrong_is_told_in_the_same_words(
    client: httpx.AsyncClient, text: str
) -> None:
    headers = {"Content-Type": "application/json"}
    replies = []
    for padding in ("x", PADDING):
        body = text.replace("%s", padding).encode()
        reply = await client.post("/generate", content=body, headers=headers)
        assert reply.status_code == 422
        [detail] = reply.json()["detail"]
        replies.append((detail["type"], detail["msg"], detail["loc"][:1]))
    assert replies[0] == replies[1]


async def test_deeply_nested_large_body_is_422(client: httpx.AsyncClient) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    body = json.dumps({"mode": "free", "prompt": PADDING, "extra_params": {"a": 0}})
    body = body.replace('"a": 0', f'"a": {deep}')
    headers = {"Content-Type": "application/json"}
    reply = await client.post("/generate", content=body.encode(), headers=headers)
    assert reply.status_code == 422


async def test_body_of_very_many_values_is_413(client: httpx.AsyncClient) -> None:
    """They would keep Python busy for seconds; a picture is one value."""
    body = {"mode": "free", "prompt": PADDING, "extra_params": {"a": [0] * (MOST_VALUES + 1)}}
    reply = await client.post("/generate", json=body)
    assert reply.status_code == 413
    assert "100000 values" in reply.json()["detail"]
