"""`/v1/images/edits`: images and masks in a form."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, a_picture
from tests.backend.making import picture
from tests.backend.serving import serving
from tests.conditions import eventually


async def edit(client: httpx.AsyncClient, files: Any, **fields: str) -> httpx.Response:
    return await client.post("/v1/images/edits", data={"prompt": "at night", **fields}, files=files)


IMAGE = ("image", ("a.png", picture(), "image/png"))
MASK = ("mask", ("m.png", picture(), "image/png"))


@pytest.mark.parametrize(
    ("files", "workflow"), [([IMAGE], "image_to_image"), ([IMAGE, MASK], "inpaint")], ids=str
)
async def test_edit_is_for_the_mode_that_takes_what_was_sent(
    images: httpx.AsyncClient, gpu: GPUService, files: Any, workflow: str
) -> None:
    reply = await edit(images, files, seed="7", n="1")
    assert reply.status_code == 200, reply.text
    sent = gpu.jobs[0].sent
    assert (sent["workflow"], sent["params"]["seed"]) == (workflow, 7)
    assert base64.b64decode(sent["params"]["image"]) == picture()
    assert ("mask" in sent["params"]) is (MASK in files)


async def test_text_of_a_form_is_what_the_mode_takes(
    images: httpx.AsyncClient, gpu: GPUService
) -> None:
    extra = json.dumps({"model": "other.safetensors"})
    reply = await edit(images, [IMAGE], negative_prompt="5", seed="5", extra_params=extra)
    assert reply.status_code == 200, reply.text
    params = gpu.jobs[0].sent["params"]
    assert (params["negative_prompt"], params["seed"]) == ("5", 5)
    assert params["model"] == "other.safetensors"


@pytest.mark.parametrize(
    ("files", "fields", "param"),
    [
        ([], {}, "image"),
        ([("mask", ("m.png", b"no image", "image/png")), IMAGE], {}, "mask"),
        ([("image", ("a.png", b"no image", "image/png"))], {}, "image"),
        ([IMAGE, IMAGE], {}, "image_2"),
        ([IMAGE], {"n": "many"}, "n"),
        ([IMAGE], {"extra_params": "[1]"}, "extra_params"),
    ],
    ids=str,
)
async def test_edit_that_cannot_be_is_told(
    images: httpx.AsyncClient, files: Any, fields: dict[str, str], param: str
) -> None:
    reply = await edit(images, files, **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_edit_with_too_many_files_is_refused(images: httpx.AsyncClient) -> None:
    reply = await edit(images, [IMAGE] * 30)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_edit_is_refused_by_the_stub_before_its_images_are_read(
    client: httpx.AsyncClient,
) -> None:
    async def is_known() -> bool:
        return bool((await client.get("/modes")).json()["engine"] == "stub")

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"--b"

    read: list[int] = []
    await eventually(is_known)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    reply = await client.post("/v1/images/edits", content=body(), headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (501, "engine_is_stub")
    assert read == []


async def test_mode_that_takes_no_prompt_gets_none(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.has_workflows("enlarge", image={"type": "string", "contentEncoding": "base64"})
    gpu.makes = [a_picture()]
    async with serving(settings) as client:
        await eventually(lambda: "engine comfyui" in caplog.text)
        reply = await edit(client, [IMAGE], model="enlarge")
    assert reply.status_code == 200
    assert list(gpu.jobs[0].sent["params"]) == ["image"]
