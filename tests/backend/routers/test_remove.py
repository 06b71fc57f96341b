"""`DELETE /tasks/{task_id}?remove=true`."""

import httpx

from backend.config import Settings
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.serving import ended, running
from tests.conditions import eventually


async def post(client: httpx.AsyncClient) -> str:
    task_id: str = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    return task_id


async def test_ended_task_is_forgotten_with_its_files(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    task_id = await post(client)
    await ended(client, task_id)
    folder = settings.data_path / "outputs" / task_id
    assert folder.is_dir()
    reply = await client.delete(f"/tasks/{task_id}?remove=true")
    assert (reply.status_code, reply.json()["status"], reply.json()["links"]) == (200, "done", {})
    assert not folder.exists()
    assert (await client.get(f"/tasks/{task_id}")).status_code == 404
    assert (await client.get("/tasks")).json()["tasks"] == []


async def test_without_the_word_an_ended_task_stays(client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    await ended(client, task_id)
    await client.delete(f"/tasks/{task_id}")
    assert (await client.get(f"/tasks/{task_id}")).json()["status"] == "done"


async def test_running_task_is_cancelled_first(client: httpx.AsyncClient, gpu: GPUService) -> None:
    gpu.answers(FakeJob.start)
    task_id = await post(client)
    await eventually(running(client, task_id))
    reply = await client.delete(f"/tasks/{task_id}?remove=true")
    assert reply.json()["status"] == "cancelled"
    assert gpu.cancelled == [gpu.jobs[0].id]
    assert (await client.get(f"/tasks/{task_id}")).status_code == 404
