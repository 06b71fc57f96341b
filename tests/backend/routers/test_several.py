"""A backend with several GPU services: `GPU_SERVICE_URL` is a list."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPU_URL, OTHER_URL, GPUService
from tests.backend.serving import ended, serving
from tests.conditions import eventually

URLS = f"{GPU_URL}, {OTHER_URL}"


def choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


@pytest.fixture
async def several(
    gpu: GPUService, other_gpu: GPUService, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend with two GPU services, of which each can do something by itself."""
    gpu.has_workflows("free_generation", model=choice("sdxl"), lora=choice("ink", "oil"))
    other_gpu.has_workflows("free_generation", model=choice("sdxl", "flux"), lora=choice("ink"))
    async with serving(settings, gpu_service_url=URLS) as client:

        async def known() -> bool:
            [mode] = (await client.get("/modes")).json()["modes"] or [None]
            return mode and len(mode["parameters"]["properties"]["model"]["enum"]) == 2

        await eventually(known)
        yield client


async def post(client: httpx.AsyncClient, **extra: str) -> httpx.Response:
    return await client.post("/generate", json={"mode": "free", "extra_params": extra})


async def test_task_goes_where_its_model_is(
    gpu: GPUService, other_gpu: GPUService, several: httpx.AsyncClient
) -> None:
    for _ in range(3):
        task = await ended(several, (await post(several, model="flux")).json()["task_id"])
        assert task["status"] == "done"
    assert (len(gpu.jobs), len(other_gpu.jobs)) == (0, 3)


async def test_choices_that_no_service_has_together_are_422(
    gpu: GPUService, other_gpu: GPUService, several: httpx.AsyncClient
) -> None:
    reply = await post(several, model="flux", lora="oil")
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")
    assert "No GPU service has all of these together" in reply.json()["detail"]
    assert not (gpu.put.called or other_gpu.put.called)


async def test_tasks_are_done_while_one_is_away(
    gpu: GPUService, other_gpu: GPUService, several: httpx.AsyncClient
) -> None:
    other_gpu.goes_away()
    for _ in range(3):
        task = await ended(several, (await post(several)).json()["task_id"])
        assert (task["status"], task["attempt"]) == ("done", 1)
    assert len(gpu.jobs) == 3


async def test_job_is_cancelled_where_it_runs(
    gpu: GPUService, other_gpu: GPUService, several: httpx.AsyncClient
) -> None:
    other_gpu.holds()
    task_id = (await post(several, model="flux")).json()["task_id"]
    await eventually(lambda: other_gpu.jobs)
    await several.delete(f"/tasks/{task_id}")
    assert (gpu.cancelled, other_gpu.cancelled) == ([], [other_gpu.jobs[0].id])


async def test_url_may_end_in_a_slash(
    gpu: GPUService, other_gpu: GPUService, settings: Settings
) -> None:
    async with serving(settings, gpu_service_url=f"{GPU_URL}/,{OTHER_URL}/") as client:
        await ended(client, (await post(client)).json()["task_id"])
    assert len(gpu.jobs) + len(other_gpu.jobs) == 1
