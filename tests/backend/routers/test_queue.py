"""`GET /queue`, `POST /drain`, `DELETE /drain` and `GET /styles`."""

import httpx

from tests.backend.gpu_service import GPUService
from tests.backend.serving import ended
from tests.conditions import eventually


async def post(client: httpx.AsyncClient) -> str:
    task_id: str = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    return task_id


async def test_queue_counts_what_waits_and_runs(client: httpx.AsyncClient, gpu: GPUService) -> None:
    assert (await client.get("/queue")).json() == {"queued": 0, "running": 0}
    gpu.holds()
    for _ in range(3):
        await post(client)

    async def counted() -> bool:
        return bool((await client.get("/queue")).json() == {"queued": 1, "running": 2})

    await eventually(counted)


async def test_styles_are_those_of_the_file(client: httpx.AsyncClient) -> None:
    styles = (await client.get("/styles")).json()["styles"]
    assert [each["style"] for each in styles][:2] == ["realistic", "cinematic"]
    assert "{prompt}" in styles[0]["prompt"]
    assert styles[0]["negative_prompt"] == "drawing, illustration, render"


async def test_drained_backend_takes_nothing_out_of_the_queue_until_it_goes_on(
    client: httpx.AsyncClient, gpu: GPUService
) -> None:
    reply = await client.post("/drain")
    assert reply.json() == {"draining": True, "queued": 0, "running": 0}
    task_id = await post(client)
    assert (await client.get("/queue")).json() == {"queued": 1, "running": 0}
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["reasons"][0]["check"]) == (503, "draining")
    assert "DELETE /drain" in ready.json()["reasons"][0]["detail"]
    assert not gpu.jobs
    assert (await client.delete("/drain")).json()["draining"] is False
    assert (await ended(client, task_id))["status"] == "done"
    assert (await client.get("/readyz")).status_code == 200


async def test_what_runs_may_end_while_it_drains(
    client: httpx.AsyncClient, gpu: GPUService
) -> None:
    released = gpu.holds()
    task_id = await post(client)
    await eventually(lambda: gpu.jobs)
    assert (await client.post("/drain")).json()["running"] == 1
    released.set()
    assert (await ended(client, task_id))["status"] == "done"
