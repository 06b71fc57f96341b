"""A GPU service that takes no request of ours: tasks wait until somebody sets the secret."""

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, at_once
from tests.backend.serving import ended, serving
from tests.conditions import eventually

PROBLEM = {"code": "signature_invalid", "detail": "Another secret.", "retryable": True}


async def test_task_waits_and_is_done_once_the_secret_is_right(
    gpu: GPUService, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = httpx.Response(401, json=PROBLEM)
    gpu.always(refusal)
    gpu.workflows.mock(return_value=refusal)
    async with serving(settings) as client:
        task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
        await eventually(lambda: "waits: Another secret." in caplog.text)
        task = (await client.get(f"/tasks/{task_id}")).json()
        assert (task["status"], task["attempt"]) == ("queued", 0)
        notes = (await client.get("/readyz")).json()["notes"]
        assert "GPU_SERVICE_SECRET" in notes[0]["detail"]
        gpu.workflows.mock(
            return_value=httpx.Response(200, json={"engine": "stub", "workflows": []})
        )
        gpu.always(at_once)
        assert (await ended(client, task_id))["status"] == "done"
    assert caplog.text.count("waits: Another secret.") <= 2


async def test_requests_are_signed_where_there_is_a_secret(
    gpu: GPUService, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with serving(settings, gpu_service_secret="sixteen letters!") as client:
        task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
        await ended(client, task_id)
    sent = [call.request for call in (*gpu.put.calls, *gpu.output.calls, *gpu.workflows.calls)]
    assert all(request.headers["X-Gateway-Signature"].startswith("v1=") for request in sent)
    assert "sixteen letters!" not in caplog.text
