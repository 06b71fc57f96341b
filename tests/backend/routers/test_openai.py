"""`/v1/…`: what OpenAI's own client does not show of the answers."""

import asyncio
import base64
import json
from typing import Any

import anyio
import httpx
import pytest
from asgi_lifespan import LifespanManager

from backend.access import EVERYBODY
from backend.config import Settings
from backend.main import create_app
from backend.routers.patience import patient
from backend.schemas.openai_images import ImageGenerationRequest, Model
from backend.services.generation_router import Wishes
from backend.services.openai_images import ImageOrder
from tests.backend.gpu_service import FakeJob, GPUService, a_picture
from tests.backend.making import picture
from tests.backend.serving import serving
from tests.conditions import eventually

PROMPT = {"model": "free", "prompt": "a lighthouse"}


async def generate(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/v1/images/generations", json={**PROMPT, **changes})


async def test_answer_is_openai_s(images: httpx.AsyncClient) -> None:
    answer = (await generate(images)).json()
    assert base64.b64decode(answer["data"][0]["b64_json"]) == picture()
    assert list(answer["data"][0]) == ["b64_json"]
    assert (answer["output_format"], answer["size"]) == ("png", "auto")


async def test_size_and_further_fields_are_parameters(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    await generate(images, size="512x768", seed=7, output_format="jpeg", output_compression=0)
    assert gpu.jobs[0].sent["params"] == {
        "prompt": "a lighthouse",
        "width": 512,
        "height": 768,
        "seed": 7,
    }
    assert (gpu.jobs[0].sent["output_format"], gpu.jobs[0].sent["output_quality"]) == ("jpeg", 1)


async def test_each_image_is_a_task_with_a_seed_of_its_own(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    answer = (await generate(images, n=3, seed=7)).json()
    assert len(answer["data"]) == 3
    assert sorted(job.sent["params"]["seed"] for job in gpu.jobs) == [7, 8, 9]


async def test_url_is_where_the_image_is(images: httpx.AsyncClient) -> None:
    [found] = (await generate(images, response_format="url")).json()["data"]
    assert found["url"].startswith("http://backend.test/tasks/")
    assert (await images.get(found["url"])).content == picture()


async def test_same_idempotency_key_makes_no_second_image(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    for _ in range(2):
        reply = await images.post(
            "/v1/images/generations", json={**PROMPT, "n": 2}, headers={"Idempotency-Key": "k"}
        )
        assert len(reply.json()["data"]) == 2
    assert len(gpu.jobs) == 2


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"model": "dall-e-3"}, 404, "model_not_found", "model"),
        ({"size": "huge"}, 400, "validation_error", "size"),
        ({"n": 11}, 400, "validation_error", "n"),
        ({"prompt": None}, 400, "validation_error", "prompt"),
        ({"stepz": 3}, 400, "invalid_input", "stepz"),
        ({"style": "baroque"}, 400, "unknown_style", "style"),
        ({"background": "transparent"}, 400, "invalid_input", "background"),
        ({"stream": True, "n": 2}, 400, "invalid_input", "n"),
    ],
    ids=str,
)
async def test_error_is_in_openai_s_envelope(
    images: httpx.AsyncClient, changes: dict[str, Any], status: int, code: str, param: str
) -> None:
    reply = await generate(images, **changes)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert reply.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("style", ["vivid", "natural"])
async def test_openai_s_own_styles_are_taken(images: httpx.AsyncClient, style: str) -> None:
    assert (await generate(images, style=style)).status_code == 200


async def test_task_that_fails_is_an_error_that_is_not_tried_again(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    gpu.answers(lambda job: job.fail(detail="no such model", code="invalid_parameter"))
    reply = await generate(images)
    assert (reply.status_code, reply.headers["x-should-retry"]) == (502, "false")
    assert reply.json()["error"] == {
        "message": "no such model",
        "type": "server_error",
        "param": None,
        "code": "invalid_parameter",
    }


async def test_what_is_no_image_is_not_sent_as_one(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    gpu.makes = []
    reply = await generate(images)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "no_image")


async def test_placeholder_never_passes_for_an_image(
    client: httpx.AsyncClient, gpu: GPUService
) -> None:
    async def is_known() -> bool:
        return bool((await client.get("/modes")).json()["engine"] == "stub")

    await eventually(is_known)
    reply = await generate(client)
    assert (reply.status_code, reply.json()["error"]["code"]) == (501, "engine_is_stub")
    assert gpu.jobs == []


async def test_images_begun_in_vain_are_cancelled(
    gpu: GPUService, images: httpx.AsyncClient, settings: Settings
) -> None:
    gpu.holds()
    async with serving(settings, max_queued_tasks=2, data_path=settings.data_path / "2") as client:
        await eventually(lambda: gpu.workflows.call_count > 1)
        reply = await generate(client, n=3)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "queue_full")
        listed = (await client.get("/tasks")).json()["tasks"]
    assert {task["status"] for task in listed} == {"cancelled"}


# streams


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    told = [block.split("\n") for block in text.split("\n\n") if block.startswith("event: ")]
    return [
        (kind.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for kind, data in told
    ]


async def test_stream_of_a_task_that_fails_ends_with_the_error(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    gpu.answers(lambda job: job.fail(detail="no such model", code="invalid_parameter"))
    reply = await generate(images, stream=True)
    [(kind, data)] = events_of(reply.text)
    assert (reply.status_code, kind, data["error"]["code"]) == (200, "error", "invalid_parameter")


async def test_stream_without_previews_has_the_image_alone(images: httpx.AsyncClient) -> None:
    [(kind, data)] = events_of((await generate(images, stream=True, partial_images=3)).text)
    assert (kind, data["type"]) == ("image_generation.completed", "image_generation.completed")
    assert base64.b64decode(data["b64_json"]) == picture()
    assert data["usage"]["total_tokens"] == 0


# long ones


@pytest.mark.parametrize(("ago", "silent"), [(0.0, 0.01), (60.0, 60.0)], ids=["late", "at once"])
async def test_answer_that_takes_long_is_kept_alive_with_spaces(ago: float, silent: float) -> None:
    """From the request's arrival on, however long it took until the work began."""
    ready = asyncio.Event()

    async def work() -> Model:
        await ready.wait()
        return Model(id="free")

    with anyio.fail_after(5):
        answer = await patient(work(), anyio.current_time() - ago, silent)
    pieces = aiter(answer.body_iterator)  # type: ignore[attr-defined]
    first = await anext(pieces)
    ready.set()
    rest = [piece async for piece in pieces]
    assert (answer.status_code, first) == (200, b" ")
    assert json.loads(b"".join([first, *rest]))["id"] == "free"


async def test_order_that_takes_long_to_be_taken_is_kept_alive(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.has_workflows("free_generation", prompt={"type": "string"})
    gpu.makes = [a_picture()]
    app = create_app(settings)
    async with LifespanManager(app):
        await eventually(lambda: "engine comfyui" in caplog.text)
        known = gpu.holds_workflows("free_generation", "dropped_in", prompt={"type": "string"})
        order = ImageOrder(ImageGenerationRequest(model="dropped_in", prompt="a lighthouse"))
        making = app.state.backend.openai.make(order, Wishes(), EVERYBODY)
        answer = await patient(making, anyio.current_time(), silent=0.01)
        pieces = aiter(answer.body_iterator)  # type: ignore[attr-defined]
        first = await anext(pieces)
        assert (first, gpu.jobs) == (b" ", [])
        known.set()
        rest = [piece async for piece in pieces]
    [made] = json.loads(b"".join(rest))["data"]
    assert base64.b64decode(made["b64_json"]) == picture()


async def test_null_is_as_if_it_was_left_out(images: httpx.AsyncClient) -> None:
    """OpenAI's client has None in its signature, and wrappers of it send that."""
    nulls = dict.fromkeys(("n", "response_format", "stream", "partial_images", "quality"))
    reply = await generate(images, **nulls)
    assert reply.status_code == 200, reply.text


async def test_parameter_whose_name_is_a_field_is_among_extra_params(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    checkpoint = {"model": "other.safetensors"}
    assert (await generate(images, model="free", extra_params=checkpoint)).status_code == 200
    assert gpu.jobs[0].sent["workflow"] == "free_generation"
    assert gpu.jobs[0].sent["params"]["model"] == "other.safetensors"


async def test_models_are_the_modes(images: httpx.AsyncClient) -> None:
    listed = (await images.get("/v1/models")).json()
    assert [model["id"] for model in listed["data"]] == ["free", "image_to_image", "inpaint"]
    assert (await images.get("/v1/models/inpaint")).json()["object"] == "model"
    assert (await images.get("/v1/models/gpt-4")).json()["error"]["code"] == "model_not_found"


async def test_client_that_hangs_up_leaves_its_task_running(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    gpu.always(FakeJob.start)
    request = asyncio.create_task(generate(images))
    await eventually(lambda: gpu.jobs)
    request.cancel()
    await asyncio.wait([request])
    assert (gpu.jobs[0].state, gpu.cancelled) == ("running", [])
