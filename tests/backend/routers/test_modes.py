"""`GET /modes` and `GET /modes/{mode}`."""

from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, schema
from tests.backend.serving import serving
from tests.conditions import eventually

STEPS = schema(steps={"type": "integer", "minimum": 1})
WHOLE = {
    "name": "free_generation",
    "title": "Text to image",
    "description": "From a prompt.",
    "parameters": STEPS,
    "outputs": [{"node": "9", "title": "Save", "class_type": "SaveImage", "kind": "image"}],
    "missing_nodes": [
        {"node": "3", "title": "Sampler", "class_type": "KSampler2", "nearest": ["KSampler"]}
    ],
    "missing_models": [
        {
            "node": "4",
            "title": "Loader",
            "input": "ckpt_name",
            "value": "gone.safetensors",
            "nearest": [],
        }
    ],
    "error": None,
}
BROKEN = {"name": "broken", "error": "broken.json is no graph in ComfyUI's API format."}


async def known(client: httpx.AsyncClient) -> dict[str, Any]:
    """The answer once the GPU service has been asked."""

    async def look() -> dict[str, Any] | None:
        answer: dict[str, Any] = (await client.get("/modes")).json()
        return answer if answer["engine"] else None

    answer: dict[str, Any] = await eventually(look)
    return answer


async def test_unknown_catalogue_has_no_engine_and_no_modes(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.workflows.side_effect = httpx.ConnectError("refused")
    async with serving(settings) as client:
        reply = await client.get("/modes")
    assert (reply.status_code, reply.json()) == (200, {"engine": None, "modes": []})


async def test_stub_says_so(client: httpx.AsyncClient) -> None:
    assert await known(client) == {"engine": "stub", "modes": []}


async def test_stub_with_workflows_shows_them(gpu: GPUService, settings: Settings) -> None:
    gpu.workflows.respond(json={"engine": "stub", "workflows": [WHOLE]})
    async with serving(settings) as client:
        answer = await known(client)
    assert answer["engine"] == "stub"
    assert [each["mode"] for each in answer["modes"]] == ["free"]


async def test_mode_is_shown_with_all_that_is_known(gpu: GPUService, settings: Settings) -> None:
    gpu.has(WHOLE)
    async with serving(settings) as client:
        answer = await known(client)
    rest = {name: value for name, value in WHOLE.items() if name != "name"}
    assert answer == {
        "engine": "comfyui",
        "modes": [{"mode": "free", "workflow": "free_generation", **rest}],
    }


async def test_modes_are_in_order_and_have_one_shape(gpu: GPUService, settings: Settings) -> None:
    gpu.has({"name": "upscale", "parameters": schema()}, BROKEN, WHOLE)
    async with serving(settings) as client:
        answer = await known(client)
    assert [each["mode"] for each in answer["modes"]] == ["broken", "free", "upscale"]
    assert len({tuple(each) for each in answer["modes"]}) == 1


async def test_broken_workflow_is_shown_with_its_error(gpu: GPUService, settings: Settings) -> None:
    gpu.has(BROKEN)
    async with serving(settings) as client:
        await known(client)
        mode = (await client.get("/modes/broken")).json()
    assert mode["error"] == BROKEN["error"]
    assert (mode["parameters"], mode["outputs"]) == (None, [])


@pytest.mark.parametrize("name", ["free", "free_generation"])
async def test_one_mode_has_the_shape_of_the_list(
    gpu: GPUService, settings: Settings, name: str
) -> None:
    gpu.has(WHOLE)
    async with serving(settings) as client:
        [listed] = (await known(client))["modes"]
        one = (await client.get(f"/modes/{name}")).json()
    assert one == {**listed, "mode": name}


async def test_unknown_mode_is_404_and_names_those_that_exist(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.has(WHOLE)
    async with serving(settings) as client:
        await known(client)
        reply = await client.get("/modes/nope")
    assert (reply.status_code, reply.json()["code"]) == (404, "mode_not_found")
    assert reply.json()["available"] == ["free"]
    assert "'nope'. Modes: free." in reply.json()["detail"]


async def test_mode_of_an_unknown_catalogue_is_404(gpu: GPUService, settings: Settings) -> None:
    gpu.workflows.side_effect = httpx.ConnectError("refused")
    async with serving(settings) as client:
        reply = await client.get("/modes/free")
    assert (reply.status_code, reply.json()["available"]) == (404, [])


async def test_request_for_a_broken_workflow_gets_the_gpu_service_s_reason(
    gpu: GPUService, settings: Settings
) -> None:
    gpu.has(BROKEN)
    reason = {"code": "workflow_invalid", "detail": BROKEN["error"], "retryable": False}
    gpu.always(httpx.Response(409, json=reason))
    async with serving(settings) as client:
        await known(client)
        request = {"mode": "broken", "prompt": "p"}
        reply = await client.post("/generate", json=request, headers={"Prefer": "wait=30"})
    task = reply.json()
    assert (task["status"], task["error"]) == ("failed", BROKEN["error"])
