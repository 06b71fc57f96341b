"""`POST /generate`, held against the catalogue."""

from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, sent_to
from tests.backend.making import base64_of, picture, picture_that_claims
from tests.backend.serving import serving
from tests.conditions import eventually


async def test_unknown_mode_names_those_that_exist(bound_client: httpx.AsyncClient) -> None:
    reply = await bound_client.post("/generate", json={"mode": "fre"})
    assert reply.status_code == 422
    problem = reply.json()
    assert problem["code"] == "unknown_mode"
    assert problem["parameter"] == "mode"
    assert problem["available"] == ["free", "upscale"]
    assert "'fre'. Modes: free, upscale." in problem["detail"]


async def test_unknown_style_names_those_that_exist(bound_client: httpx.AsyncClient) -> None:
    reply = await bound_client.post("/generate", json={"mode": "free", "style": "cubist"})
    assert reply.status_code == 422
    problem = reply.json()
    assert problem["code"] == "unknown_style"
    assert problem["parameter"] == "style"
    assert "watercolor" in problem["available"]


async def test_workflow_dropped_in_just_now_is_found(
    gpu: GPUService, bound_client: httpx.AsyncClient
) -> None:
    gpu.has_workflows("free_generation", "dropped_in")
    reply = await bound_client.post("/generate", json={"mode": "dropped_in"})
    assert reply.status_code == 200


async def test_upload_is_put_in_for_a_workflow_dropped_in_just_now(
    gpu: GPUService, bound_client: httpx.AsyncClient
) -> None:
    """Only the workflow's parameters tell that the value is an image."""
    upload = (await bound_client.post("/uploads", content=picture())).json()["upload"]
    gpu.has_workflows("dropped_in", image={"type": "string", "contentEncoding": "base64"})
    body = {"mode": "dropped_in", "extra_params": {"image": upload}}
    assert (await bound_client.post("/generate", json=body)).status_code == 200
    await eventually(lambda: gpu.jobs)
    assert sent_to(gpu.put)[0]["params"] == {"image": base64_of(picture())}


BAD_IMAGES = {
    "not base64": ("***", "is not base64"),
    "not an image": (base64_of(b"hello"), "no PNG, JPEG or WebP image"),
    "a GIF": (base64_of(picture("GIF")), "no PNG, JPEG or WebP image"),
    "too many pixels": (base64_of(picture_that_claims(10_000, 5_001)), "50 megapixels"),
    "far too many pixels": (base64_of(picture_that_claims(60_000, 60_000)), "50 megapixels"),
    "too many bytes": (base64_of(bytes(10 * 1024 * 1024 + 1)), "10 MB"),
}


@pytest.mark.parametrize(("image", "words"), BAD_IMAGES.values(), ids=BAD_IMAGES)
async def test_bad_target_image_is_refused(
    bound_client: httpx.AsyncClient, image: str, words: str
) -> None:
    reply = await bound_client.post("/generate", json={"mode": "free", "target_image": image})
    assert reply.status_code == 422
    problem = reply.json()
    assert (problem["code"], problem["parameter"]) == ("invalid_input", "target_image")
    assert words in problem["detail"]


async def test_bad_face_image_is_named_by_its_number(bound_client: httpx.AsyncClient) -> None:
    faces = [base64_of(picture()), "***"]
    reply = await bound_client.post("/generate", json={"mode": "free", "face_images": faces})
    assert reply.status_code == 422
    assert reply.json()["parameter"] == "face_images[1]"


async def test_too_many_faces_are_refused(bound_client: httpx.AsyncClient) -> None:
    """Spec: Configuration Parameters: max_face_images."""
    faces = [base64_of(picture())] * 6
    reply = await bound_client.post("/generate", json={"mode": "free", "face_images": faces})
    assert reply.status_code == 422
    assert reply.json()["parameter"] == "face_images"
    assert "at most 5" in reply.json()["detail"]


async def test_good_images_are_taken(bound_client: httpx.AsyncClient) -> None:
    request = {
        "mode": "free",
        "face_images": [base64_of(picture())] * 5,
        "target_image": base64_of(picture("JPEG")),
    }
    assert (await bound_client.post("/generate", json=request)).status_code == 200


ODD_REQUESTS: list[dict[str, Any]] = [
    {"mode": "free", "style": "cubist"},
    {"mode": "no such mode"},
    {"mode": "free", "target_image": "***"},
    {"mode": "free", "face_images": ["x"] * 6},
]


@pytest.mark.parametrize("request_body", ODD_REQUESTS)
async def test_stub_takes_what_matches_the_schema(
    client: httpx.AsyncClient, request_body: dict[str, Any]
) -> None:
    """Spec: Generation Router, MVP Stub Behavior 1: accept any valid JSON matching schema."""
    assert (await client.post("/generate", json=request_body)).status_code == 200


@pytest.mark.parametrize("request_body", ODD_REQUESTS)
async def test_unknown_catalogue_takes_what_matches_the_schema(
    gpu: GPUService, settings: Settings, request_body: dict[str, Any]
) -> None:
    gpu.workflows.side_effect = httpx.ConnectError("refused")
    async with serving(settings) as client:
        assert (await client.post("/generate", json=request_body)).status_code == 200
