"""`GET /tasks/{task_id}`."""

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import FakeJob, GPUService, Made, a_picture, at_once
from tests.backend.making import base64_of, picture
from tests.backend.serving import ended, running, serving
from tests.conditions import eventually


async def post(client: httpx.AsyncClient) -> str:
    reply = await client.post("/generate", json={"mode": "free", "prompt": "p"})
    task_id: str = reply.json()["task_id"]
    return task_id


async def test_specification_s_fields_come_first(client: httpx.AsyncClient) -> None:
    reply = await client.get(f"/tasks/{await post(client)}")
    assert list(reply.json())[:4] == ["task_id", "status", "image", "error"]


async def test_queued_task_knows_its_place(gpu: GPUService, settings: Settings) -> None:
    gpu.holds()
    async with serving(settings, worker_concurrency=1) as client:
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


async def test_running_task_shows_how_far_it_is(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.always(FakeJob.start)
    task_id = await post(client)
    await eventually(lambda: gpu.jobs)
    gpu.jobs[0].progress(0.25, "KSampler")

    async def shows() -> bool:
        task = (await client.get(f"/tasks/{task_id}")).json()
        return bool((task["progress"], task["node"]) == (0.25, "KSampler"))

    await eventually(shows)


@pytest.mark.parametrize(
    ("end", "progress"), [(FakeJob.finish, 1.0), (FakeJob.fail, 0.0), (FakeJob.cancel, 0.0)]
)
async def test_ended_task_shows_no_node(
    gpu: GPUService, client: httpx.AsyncClient, end: Callable[[FakeJob], None], progress: float
) -> None:
    def runs(job: FakeJob) -> None:
        job.start()
        job.progress(0.5, "KSampler")
        end(job)

    gpu.always(runs)
    task = await ended(client, await post(client))
    assert (task["progress"], task["node"]) == (progress, None)


async def test_queued_task_shows_no_progress(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.gate.clear()
    task = (await client.get(f"/tasks/{await post(client)}")).json()
    assert (task["progress"], task["node"], task["seed"]) == (0.0, None, None)
    assert (task["parameters"], task["outputs"]) == ({}, [])


@pytest.mark.parametrize(
    ("values", "seed"),
    [
        ({"seed": 2**64 - 1, "prompt": "p"}, 2**64 - 1),
        ({"prompt": "p"}, None),
        ({"seed": "a word"}, None),
    ],
)
async def test_done_task_says_what_it_ran_with(
    gpu: GPUService, client: httpx.AsyncClient, values: dict[str, Any], seed: int | None
) -> None:
    def draws(job: FakeJob) -> None:
        job.values = values
        at_once(job)

    gpu.always(draws)
    task = await ended(client, await post(client))
    assert (task["parameters"], task["seed"]) == (values, seed)


async def test_done_task_has_its_image(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.makes = [a_picture()]
    task = await ended(client, await post(client))
    assert (task["status"], task["image"], task["error"]) == ("done", base64_of(picture()), None)


async def test_done_task_of_the_stub_has_the_placeholder(client: httpx.AsyncClient) -> None:
    """Spec: Service Integration Testing 5: verify dummy response returned."""
    task = await ended(client, await post(client))
    assert task["image"] == "dummy_base64_placeholder"


async def test_output_of_an_unknown_kind_comes_back_as_it_was(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    film = b"\x00\x00\x00\x18ftypmp42\xff\xfe"
    gpu.makes = [Made(film, "application/octet-stream", "film.odd")]
    task = await ended(client, await post(client))
    reply = await client.get(task["outputs"][0]["url"])
    assert (reply.content, reply.headers["content-type"]) == (film, "application/octet-stream")


async def test_failed_task_says_why(gpu: GPUService, client: httpx.AsyncClient) -> None:
    problem = {
        "code": "workflow_not_found",
        "detail": "There is no workflow 'x'. Workflows: a, b.",
        "retryable": False,
    }
    gpu.answers(httpx.Response(404, json=problem))
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
    assert task["error"] == "The image's file is no longer where outputs are kept."


@pytest.mark.parametrize("task_id", ["nope", "%00", "%F0%9F%92%A9", "x" * 5000, "' OR 1=1 --"])
async def test_unknown_task_is_404(client: httpx.AsyncClient, task_id: str) -> None:
    reply = await client.get(f"/tasks/{task_id}")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["code"] == "task_not_found"
    assert len(reply.content) < 1000
