"""`POST /generate` with `Prefer: wait=N`."""

import asyncio
import os
import signal
from collections.abc import Callable

import anyio
import httpx

from backend.config import Settings
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.serving import serving
from tests.conditions import eventually

SPEC_REQUEST = {
    "mode": "free",
    "prompt": "test prompt",
    "style": "realistic",
    "extra_params": {},
}


async def test_wait_answers_with_the_finished_task(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json=SPEC_REQUEST, headers={"Prefer": "wait=30"})
    assert reply.status_code == 200
    task = reply.json()
    assert list(task)[:4] == ["task_id", "status", "image", "error"]
    assert (task["status"], task["image"]) == ("done", "dummy_base64_placeholder")
    assert reply.headers["Preference-Applied"] == "wait=30"


async def test_wait_answers_with_the_failed_task(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.answers(lambda job: job.fail(detail="no such model"))
    reply = await client.post("/generate", json=SPEC_REQUEST, headers={"Prefer": "wait=30"})
    assert reply.status_code == 200
    assert (reply.json()["status"], reply.json()["error"]) == ("failed", "no such model")


async def test_wait_that_is_over_answers_202_and_where_to_look(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    gpu.holds()
    reply = await client.post("/generate", json=SPEC_REQUEST, headers={"Prefer": "wait=0"})
    assert reply.status_code == 202
    assert reply.json()["status"] in ("queued", "running")
    assert reply.headers["Location"] == f"/tasks/{reply.json()['task_id']}"
    assert (await client.get(reply.headers["Location"])).status_code == 200


async def test_more_than_90_is_90(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json=SPEC_REQUEST, headers={"Prefer": "wait=1000"})
    assert reply.headers["Preference-Applied"] == "wait=90"


async def test_wait_begins_when_the_request_arrives(
    gpu: GPUService, bound_client: httpx.AsyncClient
) -> None:
    gpu.holds()
    known = gpu.holds_workflows("dropped_in")
    waiting = asyncio.create_task(
        bound_client.post("/generate", json={"mode": "dropped_in"}, headers={"Prefer": "wait=2"})
    )
    await asyncio.wait({waiting}, timeout=2)
    known.set()
    with anyio.fail_after(1.5):
        reply = await waiting
    assert (reply.status_code, reply.headers["Preference-Applied"]) == (202, "wait=2")


async def test_wait_without_a_number_is_60_seconds(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json=SPEC_REQUEST, headers={"Prefer": "wait"})
    assert reply.json()["status"] == "done"
    assert reply.headers["Preference-Applied"] == "wait=60"


async def test_malformed_wait_is_ignored(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json=SPEC_REQUEST, headers={"Prefer": "wait=soon"})
    assert list(reply.json()) == ["task_id", "status", "image", "error"]
    assert "Preference-Applied" not in reply.headers


async def test_wait_may_stand_in_a_second_prefer_header(client: httpx.AsyncClient) -> None:
    headers = [("Prefer", "respond-async"), ("Prefer", "wait=30")]
    reply = await client.post("/generate", json=SPEC_REQUEST, headers=headers)
    assert reply.json()["status"] == "done"


async def test_stop_signal_ends_the_wait(gpu: GPUService, settings: Settings) -> None:
    gpu.holds()
    async with serving(settings, drain_seconds=0.05) as client:
        reply = await stopped_amid_a_wait(gpu, client)
    assert reply.status_code == 202
    assert reply.json()["status"] == "running"


async def test_task_that_ends_soon_after_the_stop_signal_is_answered(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.always(FakeJob.start)
    async with serving(settings, drain_seconds=4) as client:
        reply = await stopped_amid_a_wait(gpu, client, FakeJob.finish)
    assert (reply.status_code, reply.json()["status"]) == (200, "done")


async def stopped_amid_a_wait(
    gpu: GPUService, client: httpx.AsyncClient, then: Callable[[FakeJob], None] | None = None
) -> httpx.Response:
    """The answer to a request that waits when the process is told to stop."""
    assert callable(signal.getsignal(signal.SIGTERM)), "nobody would hear the signal"
    replies: list[httpx.Response] = []

    async def ask() -> None:
        headers = {"Prefer": "wait=90"}
        replies.append(
            await client.post("/generate", json=SPEC_REQUEST, headers=headers, timeout=90)
        )

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await eventually(lambda: gpu.jobs)
            os.kill(os.getpid(), signal.SIGTERM)
            await anyio.wait_all_tasks_blocked()
            if then is not None:
                then(gpu.jobs[0])
    return replies[0]
