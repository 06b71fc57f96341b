"""`POST /generate` with the engine that runs workflows: what ComfyUI refuses."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import Service, problem, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def generate_graph(service: Service, workflows: Path, graph: Any) -> httpx.Response:
    (workflows / "mine.json").write_text(json.dumps(graph))
    return await service.generate("mine")


def canvas(**inputs: Any) -> dict[str, Any]:
    """A graph that saves a canvas; node 1's title is its author's."""
    sides = {"width": 8, "height": 8, "batch_size": 1, "color": 0}
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {**sides, **inputs},
            "_meta": {"title": "My canvas"},
        },
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }


async def test_unknown_node_class_is_409_and_named(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    graph = canvas()
    graph["3"] = {"class_type": "NoSuchNode", "inputs": {}}
    async with running(each_idle_fake.url, workflows_path=workflows) as service:
        reply = await generate_graph(service, workflows, graph)
    document = problem(reply, 409, "workflow_invalid")
    assert "NoSuchNode" in document["detail"]
    assert "nstall" in document["detail"]


async def test_graph_without_an_output_is_409(each_idle_fake: FakeComfyUI, workflows: Path) -> None:
    graph = {"1": canvas()["1"]}
    async with running(each_idle_fake.url, workflows_path=workflows) as service:
        problem(await generate_graph(service, workflows, graph), 409, "workflow_invalid")


async def test_value_that_comfyui_refuses_names_node_and_input(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    async with running(each_idle_fake.url, workflows_path=workflows) as service:
        reply = await generate_graph(service, workflows, canvas(width=1_000_000))
    document = problem(reply, 422, "comfyui_rejected")
    assert "node 1 (My canvas), input width" in document["detail"]
    assert (document["node_id"], document["node_title"]) == ("1", "My canvas")
    assert document["node_class"] == "EmptyImage"


async def test_missing_input_is_named(each_idle_fake: FakeComfyUI, workflows: Path) -> None:
    graph = canvas()
    del graph["1"]["inputs"]["color"]
    async with running(each_idle_fake.url, workflows_path=workflows) as service:
        reply = await generate_graph(service, workflows, graph)
    assert "input color" in problem(reply, 422, "comfyui_rejected")["detail"]


async def test_model_that_is_not_installed_is_422_with_the_nearest_name(
    each_idle_fake: FakeComfyUI,
) -> None:
    async with running(each_idle_fake.url) as service:
        reply = await service.generate("free_generation", model="sdxl_base.safetensors")
    assert reply.status_code == 422, reply.text
    assert "'sdxl_base.safetensors'" in reply.json()["detail"]
    assert reply.json()["hint"] == "sd_xl_base_1.0.safetensors"


async def test_comfyui_without_any_model_says_that_none_is_installed() -> None:
    async with running_fake(models=()) as fake, running(fake.url) as service:
        reply = await service.generate("free_generation")
    assert reply.status_code == 422, reply.text
    assert "none installed" in reply.json()["detail"]


async def test_list_too_long_for_comfyui_to_send_is_not_taken_for_an_empty_one() -> None:
    models = tuple(f"model-{number}.safetensors" for number in range(25))
    async with running_fake(models=models) as fake, running(fake.url) as service:
        reply = await service.generate("free_generation", model="missing.safetensors")
    assert reply.status_code == 422, reply.text
    assert "'missing.safetensors'" in reply.json()["detail"]
    assert "none installed" not in reply.json()["detail"]


async def test_partly_accepted_graph_is_refused(each_idle_fake: FakeComfyUI) -> None:
    """Protocol: 200 with `node_errors` drops outputs silently: for a caller, an error."""
    each_idle_fake.faults.set("node_errors")
    async with running(each_idle_fake.url) as service:
        problem(await service.generate("selftest"), 422, "comfyui_rejected")


async def test_accepted_part_of_a_refused_graph_is_cancelled(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("node_errors")
    each_idle_fake.faults.set("hang")
    async with running(each_idle_fake.url) as service:
        await service.generate("selftest")
        await each_idle_fake.until(lambda: each_idle_fake.queue.remaining == 0)
