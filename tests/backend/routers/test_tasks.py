"""`GET /tasks/{task_id}`."""

import shutil
import time
from datetime import datetime

import httpx
import pytest

from backend.config import Settings
from tests.backend.making import base64_of, picture
from tests.backend.serving import GPUService, ended, running
from tests.conditions import eventually


async def post(client: httpx.AsyncClient) -> str:
    reply = await client.post("/generate", json={"mode": "free", "prompt": "p"})
    task_id: str = reply.json()["task_id"]
    return task_id


async def test_specification_s_fields_come_first(client: httpx.AsyncClient) -> None:
    reply = await client.get(f"/tasks/{await post(client)}")
    assert list(reply.json())[:4] == ["task_id", "status", "image", "error"]


async def test_queued_task_knows_its_place(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.holds()
    await eventually(running(client, await post(client)))
    first, second = await post(client), await post(client)
    assert (await client.get(f"/tasks/{first}")).json()["queue_position"] == 0
    task = (await client.get(f"/tasks/{second}")).json()
    assert (task["status"], task["queue_position"], task["attempt"]) == ("queued", 1, 0)
    assert (task["started_at"], task["finished_at"]) == (None, None)


async def test_running_task_waits_no_longer(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.holds()
    task_id = await post(client)
    await eventually(running(client, task_id))
    task = (await client.get(f"/tasks/{task_id}")).json()
    assert (task["queue_position"], task["attempt"], task["image"]) == (None, 1, None)
    assert task["started_at"] is not None


async def test_done_task_has_its_image(gpu: GPUService, client: httpx.AsyncClient) -> None:
    image = base64_of(picture())
    gpu.generate.respond(json={"status": "done", "image": image, "error": None})
    task = await ended(client, await post(client))
    assert (task["status"], task["image"], task["error"]) == ("done", image, None)


async def test_done_task_of_the_stub_has_the_placeholder(client: httpx.AsyncClient) -> None:
    """Spec: Service Integration Testing 5: verify dummy response returned."""
    task = await ended(client, await post(client))
    assert task["image"] == "dummy_base64_placeholder"


async def test_output_of_an_unknown_kind_comes_back_as_it_was(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    film = base64_of(b"\x00\x00\x00\x18ftypmp42\xff\xfe")
    gpu.generate.respond(json={"status": "done", "image": film, "error": None})
    assert (await ended(client, await post(client)))["image"] == film


async def test_failed_task_says_why(gpu: GPUService, client: httpx.AsyncClient) -> None:
    problem = {
        "code": "workflow_not_found",
        "detail": "There is no workflow 'x'. Workflows: a, b.",
        "retryable": False,
    }
    gpu.generate.respond(404, json=problem)
    task = await ended(client, await post(client))
    assert (task["status"], task["image"]) == ("failed", None)
    assert (task["error"], task["error_code"]) == (problem["detail"], "workflow_not_found")


async def test_times_tell_the_task_s_way(client: httpx.AsyncClient) -> None:
    before = time.time()
    task = await ended(client, await post(client))
    moments = [
        datetime.fromisoformat(task[name].replace("Z", "+00:00")).timestamp()
        for name in ("created_at", "started_at", "finished_at")
    ]
    expected = [before - 0.001, *moments, time.time() + 0.001]
    assert expected == sorted(expected)


async def test_image_whose_file_is_gone_says_so(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    task_id = await post(client)
    await ended(client, task_id)
    shutil.rmtree(settings.data_path / "outputs")
    task = (await client.get(f"/tasks/{task_id}")).json()
    assert (task["status"], task["image"]) == ("done", None)
    assert task["error"] == "The image's file is no longer in the data folder."


@pytest.mark.parametrize("task_id", ["nope", "%00", "%F0%9F%92%A9", "x" * 5000, "' OR 1=1 --"])
async def test_unknown_task_is_404(client: httpx.AsyncClient, task_id: str) -> None:
    reply = await client.get(f"/tasks/{task_id}")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == "task_not_found"
    assert len(reply.content) < 1000
