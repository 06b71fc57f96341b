"""`GET /tasks/{task_id}/outputs/{number}/thumbnail`."""

import io

import httpx
import pytest
from PIL import Image

from tests.backend.gpu_service import GPUService, Made
from tests.backend.serving import ended


def made(width: int, height: int, mode: str = "RGB", kind: str = "PNG") -> Made:
    file = io.BytesIO()
    Image.new(mode, (width, height), (200, 30, 10, 0)[: len(mode)]).save(file, kind)
    return Made(file.getvalue(), f"image/{kind.lower()}", "gateway_00001_.png")


async def thumbnail(client: httpx.AsyncClient, gpu: GPUService, output: Made) -> httpx.Response:
    gpu.makes = [output]
    task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    await ended(client, task_id)
    return await client.get(f"/tasks/{task_id}/outputs/0/thumbnail")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_image_is_made_small(client: httpx.AsyncClient, gpu: GPUService, kind: str) -> None:
    reply = await thumbnail(client, gpu, made(1536, 1024, kind=kind))
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/webp")
    image = Image.open(io.BytesIO(reply.content))
    assert (image.format, image.size) == ("WEBP", (512, 341))
    assert image.convert("RGB").getpixel((9, 9)) == pytest.approx((200, 30, 10), abs=8)


async def test_small_image_is_not_made_larger(client: httpx.AsyncClient, gpu: GPUService) -> None:
    reply = await thumbnail(client, gpu, made(30, 20))
    assert Image.open(io.BytesIO(reply.content)).size == (30, 20)


async def test_what_is_transparent_stays_so(client: httpx.AsyncClient, gpu: GPUService) -> None:
    reply = await thumbnail(client, gpu, made(30, 20, "RGBA"))
    image = Image.open(io.BytesIO(reply.content)).convert("RGBA")
    assert image.getchannel("A").getpixel((9, 9)) == 0


async def test_whoever_has_it_need_not_ask_again(
    client: httpx.AsyncClient, gpu: GPUService
) -> None:
    headers = (await thumbnail(client, gpu, made(30, 20))).headers
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Authorization" in headers["Vary"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("data", [b"no image", made(30, 20).data[:50], b""])
async def test_what_is_no_image_has_none(
    client: httpx.AsyncClient, gpu: GPUService, data: bytes
) -> None:
    reply = await thumbnail(client, gpu, Made(data, "image/png", "x.png"))
    assert (reply.status_code, reply.json()["code"]) == (404, "output_not_found")


async def test_output_that_is_not_there_has_none(
    client: httpx.AsyncClient, gpu: GPUService
) -> None:
    reply = await thumbnail(client, gpu, made(30, 20))
    for number in (1, -1, 10**30):
        path = str(reply.request.url).replace("/0/", f"/{number}/")
        assert (await client.get(path)).status_code in (404, 422), number
