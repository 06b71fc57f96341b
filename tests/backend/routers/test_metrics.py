"""`GET /metrics`."""

import httpx
import pytest

from backend.access import Scope
from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.routers.keys import a_key
from tests.backend.serving import ended, running, serving
from tests.conditions import eventually
from tests.exposition import Exported


async def scraped(client: httpx.AsyncClient) -> Exported:
    reply = await client.get("/metrics")
    assert reply.status_code == 200
    return Exported(reply.text)


async def submitted(client: httpx.AsyncClient, mode: str = "free") -> str:
    task_id: str = (await client.post("/generate", json={"mode": mode})).json()["task_id"]
    return task_id


async def test_task_is_counted_on_its_way(client: httpx.AsyncClient) -> None:
    await ended(client, await submitted(client))
    seen = await scraped(client)
    assert seen.value("gateway_tasks_submitted_total", mode="free") == 1
    assert seen.value("gateway_tasks_ended_total", mode="free", state="done") == 1
    assert seen.value("gateway_task_wait_seconds_count", mode="free") == 1
    assert seen.value("gateway_task_run_seconds_count", mode="free") == 1
    assert seen.value("gateway_task_output_bytes_total", mode="free") == 24
    assert seen.value("gateway_http_requests_total", route="/generate", status="200") == 1
    assert seen.value("gateway_gpu_service_up", gpu_service="gpu.test:8001") == 1
    assert seen.value("gateway_check_ok", check="database") == 1
    assert (seen.value("process_resident_memory_bytes") or 0) > 1e6
    assert (seen.value("gateway_disk_free_bytes") or 0) > 1e6


async def test_what_waits_and_runs_is_told(client: httpx.AsyncClient, gpu: GPUService) -> None:
    gpu.holds()
    running_ones = [await submitted(client) for _ in range(2)]
    for task_id in running_ones:
        await eventually(running(client, task_id))
    await submitted(client)
    await submitted(client, "made up")
    seen = await scraped(client)
    assert seen.value("gateway_store_tasks", state="running", mode="free") == 2
    assert seen.value("gateway_store_tasks", state="queued", mode="free") == 1
    assert seen.value("gateway_store_tasks", state="queued", mode="other") == 1
    assert seen.value("gateway_worker_slots_busy", gpu_service="gpu.test:8001") == 2
    for task_id in running_ones:
        await client.delete(f"/tasks/{task_id}")
    assert (await scraped(client)).value(
        "gateway_tasks_ended_total", mode="free", state="cancelled"
    ) == 2


async def test_retry_by_hand_is_counted(client: httpx.AsyncClient, gpu: GPUService) -> None:
    gpu.holds()
    task_id = await submitted(client)
    await client.delete(f"/tasks/{task_id}")
    await client.post(f"/tasks/{task_id}/retry")
    seen = await scraped(client)
    assert seen.value("gateway_task_retries_total", reason="by_hand", spent="false") == 1


async def test_same_idempotency_key_is_one_task(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post("/generate", json={"mode": "free"}, headers={"Idempotency-Key": "1"})
    assert (await scraped(client)).value("gateway_tasks_submitted_total", mode="free") == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "text/plain; version="),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version="),
        ("application/openmetrics-text; version=x", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;escaping=x", "application/openmetrics-text; version=1.0.0"),
        ("text/plain; version=x; escaping=", "text/plain; version=0.0.4"),
    ],
)
async def test_format_is_the_one_that_is_asked_for(
    client: httpx.AsyncClient, accept: str, content_type: str
) -> None:
    reply = await client.get("/metrics", headers={"Accept": accept})
    assert reply.headers["content-type"].startswith(content_type)
    assert reply.headers["content-type"].count("charset") == 1
    assert reply.headers["cache-control"] == "no-store"


async def test_two_backends_in_one_process_count_each_for_itself(
    settings: Settings, client: httpx.AsyncClient
) -> None:
    await submitted(client)
    async with serving(settings, data_path=settings.data_path / "other") as other:
        assert (await scraped(other)).value("gateway_tasks_submitted_total", mode="free") is None


async def test_key_with_the_scope_of_metrics_reads_them_and_nothing_else(
    settings: Settings, gpu: GPUService
) -> None:
    async with serving(settings, require_api_key=True) as client:
        key = await a_key(settings, Scope.METRICS)
        assert (await client.get("/metrics", headers=key)).status_code == 200
        assert (await client.get("/tasks", headers=key)).status_code == 403
        assert (await client.get("/metrics")).status_code == 401
