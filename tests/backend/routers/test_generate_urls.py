"""`POST /generate` with images that are named by their URL."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, schema
from tests.backend.making import base64_of, picture
from tests.backend.serving import serving
from tests.conditions import eventually
from tests.receiver import Receiver, receiving, status

IMAGE = {"type": "string", "contentEncoding": "base64"}
STEPS = {"type": "integer", "minimum": 1, "maximum": 100}
PORTRAIT = {
    "name": "portrait",
    "parameters": {
        **schema(face_image=IMAGE, face_image_2=IMAGE, image=IMAGE, mask=IMAGE, steps=STEPS),
        "required": ["image"],
    },
}
PLAIN = {"name": "selftest", "parameters": schema(steps=STEPS)}


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    """What has a picture under each of its URLs."""
    async with receiving(lambda _: status(200, picture())) as server:
        yield server


@pytest.fixture
async def bound(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend that knows these workflows, and may call the server."""
    gpu.router.route(host="127.0.0.1").pass_through()
    gpu.has(PORTRAIT, PLAIN)
    async with serving(settings, outbound_allow="127.0.0.1") as client:
        await eventually(lambda: "engine comfyui" in caplog.text)
        yield client


@pytest.mark.parametrize(
    ("mode", "fields", "parameter"),
    [
        ("selftest", {}, "face_images"),
        ("portrait", {}, "image"),
        ("portrait", {"extra_params": {"image": "URL", "steps": 101}}, "steps"),
        ("portrait", {"extra_params": {"image": "URL", "stepz": 1}}, "stepz"),
        ("portrait", {"extra_params": {"image": "URL"}, "style": "anime"}, "style"),
    ],
    ids=["no images taken", "image missing", "out of bounds", "unknown", "no style taken"],
)
async def test_what_no_image_could_cure_is_told_before_any_is_fetched(
    bound: httpx.AsyncClient, server: Receiver, mode: str, fields: dict[str, Any], parameter: str
) -> None:
    extra = {
        name: server.url("/a.png") if value == "URL" else value
        for name, value in fields.get("extra_params", {}).items()
    }
    faces = [server.url("/b.png"), server.url("/c.png")]
    body = {"mode": mode, "face_images": faces, **fields, "extra_params": extra}
    reply = await bound.post("/generate", json=body)
    assert (reply.status_code, reply.json()["parameter"]) == (422, parameter)
    assert server.got == []


async def test_each_image_goes_where_its_url_stood(
    bound: httpx.AsyncClient, gpu: GPUService
) -> None:
    sizes = {f"/{number}.png": picture(size=(number, 1)) for number in range(1, 4)}
    async with receiving(lambda got: status(200, sizes[got.path])) as server:
        urls = [server.url(path) for path in sizes]
        body = {
            "mode": "portrait",
            "face_images": [urls[0], base64_of(picture())],
            "target_image": urls[1],
            "extra_params": {"steps": 7, "mask": urls[2]},
        }
        reply = await bound.post("/generate", json=body)
    assert reply.status_code == 200, reply.text
    await eventually(lambda: gpu.jobs)
    assert gpu.jobs[0].sent["params"] == {
        "face_image": base64_of(sizes["/1.png"]),
        "face_image_2": base64_of(picture()),
        "image": base64_of(sizes["/2.png"]),
        "mask": base64_of(sizes["/3.png"]),
        "steps": 7,
    }
