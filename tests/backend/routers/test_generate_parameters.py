"""`POST /generate`, its parameters held against the workflow's schema."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, schema
from tests.backend.making import base64_of, picture
from tests.backend.serving import serving
from tests.conditions import eventually

IMAGE = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}
PICTURE = base64_of(picture())
TEXT_TO_IMAGE = {
    "name": "free_generation",
    "parameters": schema(
        prompt={"type": "string"},
        negative_prompt={"type": "string"},
        steps={"type": "integer", "minimum": 1, "maximum": 100},
        seed={"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
        model={"type": "string", "enum": ["sdxl.safetensors"]},
    ),
}
UPSCALE = {
    "name": "upscale",
    "parameters": {**schema(image=IMAGE, mask=IMAGE), "required": ["image"]},
}
SWAP = {
    "name": "portrait",
    "parameters": schema(face_image=IMAGE, face_image_2=IMAGE, target_image=IMAGE, image=IMAGE),
}
NO_NEGATIVE = {"name": "plain", "parameters": schema(prompt={"type": "string"})}
CATALOGUE = (TEXT_TO_IMAGE, UPSCALE, SWAP, NO_NEGATIVE)


@pytest.fixture
async def bound(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend that knows these workflows."""
    gpu.has(*CATALOGUE)
    async with serving(settings) as client:
        await eventually(lambda: "engine comfyui" in caplog.text)
        yield client


async def post(client: httpx.AsyncClient, mode: str = "free", **fields: Any) -> httpx.Response:
    return await client.post("/generate", json={"mode": mode, **fields})


async def params(client: httpx.AsyncClient, gpu: GPUService, mode: str, **fields: Any) -> Any:
    """What the GPU service got."""
    reply = await post(client, mode, **fields)
    assert reply.status_code == 200, reply.text
    await eventually(lambda: gpu.jobs)
    return gpu.jobs[-1].sent["params"]


def refused(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert problem["retryable"] is False
    return problem


async def test_valid_parameters_go_to_the_gpu_service_as_they_are(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    extra = {"steps": 20, "seed": 2**64 - 1, "model": "sdxl.safetensors"}
    assert await params(bound, gpu, "free", prompt="p", extra_params=extra) == {
        "prompt": "p",
        **extra,
    }


async def test_value_out_of_bounds_names_parameter_bound_and_nearest(
    bound: httpx.AsyncClient,
) -> None:
    problem = refused(await post(bound, extra_params={"steps": 500}))
    assert problem["code"] == "invalid_input"
    assert (problem["parameter"], problem["hint"]) == ("steps", "100")
    assert "at most 100, not 500. Nearest valid value: 100." in problem["detail"]


async def test_number_as_a_string_is_not_coerced(bound: httpx.AsyncClient) -> None:
    problem = refused(await post(bound, extra_params={"steps": "20"}))
    assert problem["detail"] == "steps must be an integer, not '20'."


async def test_unknown_parameter_is_refused_with_the_nearest(bound: httpx.AsyncClient) -> None:
    problem = refused(await post(bound, extra_params={"step": 20}))
    assert (problem["parameter"], problem["hint"]) == ("step", "steps")


async def test_refused_request_is_no_task(gpu: GPUService, bound: httpx.AsyncClient) -> None:
    looks = gpu.workflows.call_count
    await post(bound, extra_params={"steps": 500})
    await eventually(lambda: gpu.workflows.call_count > looks)
    assert gpu.arrived == []


async def test_seed_of_minus_one_is_left_to_the_gpu_service(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    assert await params(bound, gpu, "free", extra_params={"seed": -1}) == {"seed": -1}


async def test_nan_is_no_json(bound: httpx.AsyncClient) -> None:
    body = b'{"mode": "free", "extra_params": {"steps": NaN}}'
    headers = {"Content-Type": "application/json"}
    assert (await bound.post("/generate", content=body, headers=headers)).status_code == 422


async def test_huge_integer_is_refused_not_a_crash(bound: httpx.AsyncClient) -> None:
    problem = refused(await post(bound, extra_params={"steps": 10**400}))
    assert problem["parameter"] == "steps"


# the catalogue is asked anew


async def test_model_installed_a_moment_ago_is_found(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    newer = {"type": "string", "enum": ["sdxl.safetensors", "flux.safetensors"]}

    def answer(request: httpx.Request) -> httpx.Response:
        entries: list[Any] = list(CATALOGUE)
        if request.url.params.get("refresh") == "true":
            entries = [{"name": "free_generation", "parameters": schema(model=newer)}]
        return httpx.Response(200, json={"engine": "comfyui", "workflows": entries})

    gpu.workflows.side_effect = answer
    reply = await post(bound, extra_params={"model": "flux.safetensors"})
    assert reply.status_code == 200


async def test_refused_parameter_costs_one_question(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    await post(bound, extra_params={"model": "flux.safetensors"})
    asked = [call.request.url.params.get("refresh") for call in gpu.workflows.calls]
    assert asked.count("true") == 1


async def test_valid_parameters_cost_no_question(gpu: GPUService, bound: httpx.AsyncClient) -> None:
    await post(bound, extra_params={"steps": 20})
    asked = [call.request.url.params.get("refresh") for call in gpu.workflows.calls]
    assert "true" not in asked


async def test_gpu_service_that_does_not_answer_leaves_the_refusal(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    gpu.workflows.side_effect = httpx.ConnectError("refused")
    refused(await post(bound, extra_params={"model": "flux.safetensors"}))


# images


async def test_target_image_goes_under_its_own_name_where_there_is_one(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    got = await params(bound, gpu, "portrait", target_image=PICTURE)
    assert got == {"target_image": PICTURE}


async def test_target_image_goes_as_image_otherwise(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    assert await params(bound, gpu, "upscale", target_image=PICTURE) == {"image": PICTURE}


async def test_target_image_of_a_mode_without_images_is_refused(bound: httpx.AsyncClient) -> None:
    assert refused(await post(bound, target_image=PICTURE))["parameter"] == "target_image"


async def test_face_images_go_one_by_one(gpu: GPUService, bound: httpx.AsyncClient) -> None:
    other = base64_of(picture(size=(9, 9)))
    got = await params(bound, gpu, "portrait", face_images=[PICTURE, other])
    assert got == {"face_image": PICTURE, "face_image_2": other}


async def test_more_faces_than_the_workflow_has_are_refused(bound: httpx.AsyncClient) -> None:
    problem = refused(await post(bound, "portrait", face_images=[PICTURE] * 3))
    assert problem["parameter"] == "face_image_3"


async def test_required_image_must_be_there(bound: httpx.AsyncClient) -> None:
    problem = refused(await post(bound, "upscale"))
    assert (problem["parameter"], problem["detail"]) == (
        "image",
        "image is missing: this mode needs it.",
    )


async def test_image_may_come_in_extra_params(gpu: GPUService, bound: httpx.AsyncClient) -> None:
    got = await params(bound, gpu, "upscale", extra_params={"image": PICTURE})
    assert got == {"image": PICTURE}


@pytest.mark.parametrize("name", ["image", "mask"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("***", "is not base64"),
        ("aGVsbG8=", "no PNG, JPEG or WebP"),
        (base64_of(bytes(10 * 1024 * 1024 + 1)), "larger than 10 MB"),
        (7, "must be a string"),
    ],
    ids=["no base64", "no image", "too large", "no text"],
)
async def test_image_in_extra_params_is_checked(
    bound: httpx.AsyncClient, name: str, value: Any, words: str
) -> None:
    extra = {"image": PICTURE, name: value}
    problem = refused(await post(bound, "upscale", extra_params=extra))
    assert problem["parameter"] == name
    assert words in problem["detail"]


async def test_image_of_null_is_one_left_out(gpu: GPUService, bound: httpx.AsyncClient) -> None:
    extra = {"image": PICTURE, "mask": None}
    assert await params(bound, gpu, "upscale", extra_params=extra) == extra


# styles


async def test_style_is_put_around_prompt_and_negative_prompt(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    got = await params(bound, gpu, "free", prompt="a cat", style="anime")
    assert got == {
        "prompt": "anime drawing of a cat, expressive, detailed background",
        "negative_prompt": "photograph, realistic",
    }


async def test_style_leaves_out_the_negative_prompt_where_the_mode_has_none(
    gpu: GPUService, bound: httpx.AsyncClient
) -> None:
    got = await params(bound, gpu, "plain", prompt="a cat", style="anime")
    assert got == {"prompt": "anime drawing of a cat, expressive, detailed background"}


async def test_style_of_a_mode_without_a_prompt_is_refused(bound: httpx.AsyncClient) -> None:
    problem = refused(await post(bound, "upscale", target_image=PICTURE, style="anime"))
    assert (problem["parameter"], problem["detail"]) == (
        "style",
        "This mode takes no style: it has no prompt.",
    )


@pytest.mark.parametrize("fields", [{}, {"prompt": None}, {"extra_params": {"prompt": None}}])
async def test_style_alone_is_a_prompt(
    gpu: GPUService, bound: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    got = await params(bound, gpu, "free", style="anime", **fields)
    assert got["prompt"].startswith("anime drawing of")


async def test_prompt_of_a_wrong_type_is_named_though_there_is_a_style(
    bound: httpx.AsyncClient,
) -> None:
    problem = refused(await post(bound, style="anime", extra_params={"prompt": 7}))
    assert (problem["parameter"], problem["detail"]) == (
        "prompt",
        "prompt must be a string, not 7.",
    )


async def test_stub_takes_any_parameters(gpu: GPUService, client: httpx.AsyncClient) -> None:
    """Spec: Generation Router, MVP Stub Behavior 1: accept any valid JSON matching schema."""
    extra = {"steps": "many", "anything": [None]}
    reply = await post(client, "upscale", style="anime", extra_params=extra)
    assert reply.status_code == 200
