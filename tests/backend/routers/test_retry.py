"""`POST /tasks/{task_id}/retry`, and what links say can be done."""

import httpx

from backend.config import Settings
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.serving import ended, running, serving
from tests.conditions import eventually


async def post(client: httpx.AsyncClient) -> str:
    task_id: str = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    return task_id


async def failed(gpu: GPUService, client: httpx.AsyncClient) -> str:
    gpu.answers(lambda job: job.fail(detail="no such model", code="invalid_parameter"))
    task_id = await post(client)
    assert (await ended(client, task_id))["status"] == "failed"
    return task_id


async def queue_is_full(client: httpx.AsyncClient) -> bool:
    """After another task, where it was taken."""
    await client.post("/generate", json={"mode": "free"})
    waiting = (await client.get("/tasks?status=queued")).json()["tasks"]
    return len(waiting) == 2


async def test_failed_task_runs_once_more(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task_id = await failed(gpu, client)
    reply = await client.post(f"/tasks/{task_id}/retry")
    assert (reply.status_code, reply.json()["error"]) == (200, None)
    task = await ended(client, task_id)
    assert (task["status"], task["attempt"], task["error_code"]) == ("done", 2, None)
    assert len({job.id for job in gpu.jobs}) == 2


async def test_cancelled_task_runs_once_more(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.answers(FakeJob.start)
    task_id = await post(client)
    await eventually(running(client, task_id))
    await client.delete(f"/tasks/{task_id}")
    await client.post(f"/tasks/{task_id}/retry")
    assert (await ended(client, task_id))["status"] == "done"


async def test_done_task_is_not_retried(client: httpx.AsyncClient) -> None:
    task_id = await post(client)
    await ended(client, task_id)
    reply = await client.post(f"/tasks/{task_id}/retry")
    assert (reply.status_code, reply.json()["code"]) == (409, "task_already_done")


async def test_running_task_stays_as_it_is(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.always(FakeJob.start)
    task_id = await post(client)
    await eventually(running(client, task_id))
    reply = await client.post(f"/tasks/{task_id}/retry")
    assert (reply.status_code, reply.json()["status"]) == (200, "running")
    assert reply.json()["attempt"] == 1


async def test_unknown_task_is_404(client: httpx.AsyncClient) -> None:
    reply = await client.post("/tasks/nothing/retry")
    assert (reply.status_code, reply.json()["code"]) == (404, "task_not_found")


async def test_full_queue_takes_no_retry_either(gpu: GPUService, settings: Settings) -> None:
    async with serving(settings, max_queued_tasks=2, worker_concurrency=1) as client:
        task_id = await failed(gpu, client)
        gpu.holds()
        await eventually(lambda: queue_is_full(client))
        reply = await client.post(f"/tasks/{task_id}/retry")
        assert (reply.status_code, reply.json()["code"]) == (503, "queue_full")
        assert (await client.get(f"/tasks/{task_id}")).json()["status"] == "failed"


async def test_links_say_what_can_be_done(gpu: GPUService, client: httpx.AsyncClient) -> None:
    own = f"/tasks/{await failed(gpu, client)}"
    task = (await client.get(own)).json()
    assert task["links"] == {"self": own, "events": f"{own}/events", "retry": f"{own}/retry"}
    gpu.always(FakeJob.start)
    task = (await client.post(task["links"]["retry"])).json()
    assert task["links"] == {"self": own, "events": f"{own}/events", "cancel": own}
