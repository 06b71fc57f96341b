"""What a client is told of a failure: where, why and what to do; the trace goes to the log."""

from pathlib import Path

import pytest

from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.graphs import canvas, drop_in, saving
from tests.gpu_server.jobs import SMALL, jobs_of, jobs_on, new_id
from tests.gpu_server.serving import problem, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_failing_node_is_told_by_id_title_and_class(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("execution_error")
    async with jobs_on(each_idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_execution_failed")
    assert (error["node_id"], error["node_title"]) == ("3", "Sampler")
    assert error["node_class"] == "KSampler"
    assert error["detail"].startswith("Node 3 (Sampler) failed in ComfyUI: ")


async def test_refused_input_is_told_by_node_and_name(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    drop_in(workflows, "broken", {"1": canvas(width=10**6), "2": saving("1")})
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        error = await jobs.failed(await jobs.start("broken"), "comfyui_rejected")
    assert (error["node_id"], error["node_class"], error["input"]) == ("1", "EmptyImage", "width")


async def test_missing_node_says_what_to_do(each_idle_fake: FakeComfyUI, workflows: Path) -> None:
    graph = {"1": {"class_type": "NoSuchNode", "inputs": {}}, "2": saving("1")}
    drop_in(workflows, "broken", graph)
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        error = await jobs.failed(await jobs.start("broken"), "workflow_invalid")
    assert "NoSuchNode" in error["detail"] or error["node_title"] == "NoSuchNode"
    assert "Install the custom node" in error["detail"]


@pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
async def test_missing_model_names_the_nearest_installed_ones(version: str) -> None:
    models = ("sd_xl_base_1.0.safetensors", "sd_xl_refiner_1.0.safetensors", "other.ckpt")
    async with running_fake(version=version, models=models) as fake, running(fake.url) as service:
        params = {**SMALL, "model": "sd_xl_base.safetensors"}
        reply = await jobs_of(service).put(new_id(), params=params)
        if reply.status_code == 201:
            error = await jobs_of(service).failed(reply.json()["id"], "comfyui_rejected")
        else:
            error = problem(reply, 422, "invalid_parameter")
    assert error["hint"] == "sd_xl_base_1.0.safetensors"
    assert "sd_xl_refiner_1.0.safetensors" in error["detail"]
    assert error["retryable"] is False


async def test_missing_model_of_the_graph_itself_is_told_too() -> None:
    models = ("sd_xl_base_1.1.safetensors",)
    async with running_fake(models=models) as fake, jobs_on(fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_rejected")
    assert error["hint"] == "sd_xl_base_1.1.safetensors"
    assert error["input"] == "ckpt_name"


async def test_running_out_of_memory_says_what_to_do(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("oom")
    async with jobs_on(idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_execution_failed")
    assert "Ask for less" in error["detail"]


async def test_comfyui_s_traceback_goes_to_the_log_and_not_to_the_client(
    each_idle_fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    each_idle_fake.faults.set("execution_error")
    async with running(each_idle_fake.url) as service:
        job_id = await jobs_of(service).start()
        await jobs_of(service).failed(job_id, "comfyui_execution_failed")
        told = (await service.http.get(f"/jobs/{job_id}")).text
        story = (await service.http.get(f"/jobs/{job_id}/events")).text
    assert 'File "' in caplog.text
    for text in (told, story):
        assert "Traceback" not in text
        assert ".py" not in text
