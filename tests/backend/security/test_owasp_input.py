"""OWASP API3, API4 and API8 (2023), what concerns input: bombs, traversal, forged lines, fields."""

import io
import json
import logging
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from backend.config import Settings
from backend.utils.logging import setup_logging
from tests.backend.gpu_service import GPUService, Made
from tests.backend.making import base64_of, picture_that_claims
from tests.backend.serving import ended, serving
from tests.conditions import eventually

IMAGE = {"type": "string", "contentEncoding": "base64"}
FIELDS = ["target_image", "face_images", "extra"]
LINES = ["a\nb", "a\r\nb", "a\x1b[2Kb", "a\u2028b", "a\x00b"]
FORGED = "2026-01-01 00:00:00.000 | backend | INFO | all is well"


@pytest.fixture
async def images(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend whose one workflow takes images."""
    gpu.has_workflows("free_generation", prompt={}, image=IMAGE, face_image=IMAGE, mask=IMAGE)
    async with serving(settings) as client:
        await eventually(lambda: "engine comfyui" in caplog.text)
        yield client


def with_image(field: str, data: bytes) -> dict[str, Any]:
    text = base64_of(data)
    if field == "face_images":
        return {"mode": "free", "face_images": [text]}
    if field == "target_image":
        return {"mode": "free", "target_image": text}
    return {"mode": "free", "extra_params": {"mask": text}}


# API4: decompression bombs


@pytest.mark.parametrize("field", FIELDS)
async def test_api4_image_that_claims_to_be_huge_is_refused_unopened(
    images: httpx.AsyncClient, field: str
) -> None:
    bomb = picture_that_claims(60_000, 60_000)
    reply = await images.post("/generate", json=with_image(field, bomb))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")
    assert "megapixels" in reply.json()["detail"]


async def test_api4_upload_that_claims_to_be_huge_is_refused_unopened(
    images: httpx.AsyncClient,
) -> None:
    reply = await images.post("/uploads", content=picture_that_claims(60_000, 60_000))
    assert "megapixels" in reply.json()["detail"]


async def test_api4_small_file_of_many_pixels_is_refused(images: httpx.AsyncClient) -> None:
    """A real one: 81 megapixels in less than 100 KB."""
    file = io.BytesIO()
    Image.new("1", (9000, 9000)).save(file, "PNG")
    assert len(file.getvalue()) < 100_000
    reply = await images.post("/generate", json=with_image("target_image", file.getvalue()))
    assert "megapixels" in reply.json()["detail"]


async def test_api4_text_chunk_that_unpacks_to_much_is_not_unpacked(
    images: httpx.AsyncClient,
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    whole = file.getvalue()
    body = b"zTXt" + b"k\0\0" + zlib.compress(b"x" * 200_000_000)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    bomb = whole[:33] + chunk + whole[33:]
    reply = await images.post("/generate", json=with_image("target_image", bomb))
    assert reply.status_code in (200, 422)


async def test_api4_compressed_request_is_not_unpacked(client: httpx.AsyncClient) -> None:
    body = zlib.compress(json.dumps({"mode": "free", "prompt": "x" * 1_000_000}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
    assert (await client.post("/generate", content=body, headers=headers)).status_code == 422


# API8: traversal


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/..%2f..%2fetc%2fpasswd",
        "/tasks/../../../etc/passwd",
        "/tasks/%2e%2e/outputs/0",
        "/tasks/x/outputs/..%2f..%2ftasks.sqlite3",
        "/tasks/x/outputs/-1",
        "/modes/..%2f..%2fconfig",
        "/v1/models/..%2f..%2fconfig",
        "/webhooks/deliveries/..%2f..%2fx/redeliver",
    ],
)
async def test_api8_path_leads_nowhere_else(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST"):
        reply = await client.request(method, path)
        assert reply.status_code in (404, 405, 422)
        assert "root:" not in reply.text


@pytest.mark.parametrize(
    "name", ["upload:../../tasks.sqlite3", "upload:" + "../" * 21 + "a", "upload:", "upload:%00"]
)
async def test_api8_upload_s_name_leads_nowhere_else(images: httpx.AsyncClient, name: str) -> None:
    reply = await images.post("/generate", json={"mode": "free", "target_image": name})
    assert (reply.status_code, reply.json()["parameter"]) == (422, "target_image")


@pytest.mark.parametrize("name", ["../../../evil.png", "/etc/evil.png", "a\x00b.png", "con.png"])
async def test_api8_file_s_name_from_comfyui_leads_nowhere_else(
    client: httpx.AsyncClient, gpu: GPUService, settings: Settings, name: str
) -> None:
    gpu.makes = [Made(b"made", "image/png", name)]
    task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    assert (await ended(client, task_id))["status"] == "done"
    outputs = settings.data_path / "outputs"
    made = [file for file in settings.data_path.parent.rglob("*") if file.is_file()]
    assert [file for file in made if file.read_bytes() == b"made"]
    kept = [file for file in made if file.read_bytes() == b"made"]
    assert all(Path(outputs, task_id) in file.parents for file in kept)


# API8: forged lines in the log


@pytest.mark.parametrize("text", LINES)
@pytest.mark.parametrize("log_format", ["standard", "json"])
async def test_api8_nobody_writes_a_line_of_their_own(
    client: httpx.AsyncClient, capfd: pytest.CaptureFixture[str], text: str, log_format: str
) -> None:
    setup_logging("DEBUG", log_format)
    forged = f"{text}\n{FORGED}"
    await client.post("/generate", json={"mode": forged, "prompt": forged})
    await client.post("/generate", json={"mode": 1, forged: forged})
    await client.get("/tasks/" + "x%0a" + FORGED.replace(" ", "%20"))
    await client.get("/tasks", params={"mode": forged, "cursor": forged})
    logging.getLogger("backend").warning("%s", forged)
    logged = "".join(capfd.readouterr())
    assert "all is well" in logged
    assert [line for line in logged.splitlines() if line.startswith(FORGED)] == []


# API3: broken object property level authorization


@pytest.mark.parametrize(
    "extra",
    [
        {"owner": "key_1"},
        {"priority": "high"},
        {"attempt": 9, "first_attempt": -9},
        {"state": "done", "status": "done"},
        {"task_id": "mine", "id": "mine"},
        {"outputs": [{"file": "../x", "content_type": "text/html", "size": 1}]},
    ],
    ids=str,
)
async def test_api3_fields_that_are_ours_cannot_be_sent(
    client: httpx.AsyncClient, extra: dict[str, Any]
) -> None:
    plain = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    given = (await client.post("/generate", json={"mode": "free", **extra})).json()["task_id"]
    assert given != "mine"
    usual, changed = [await ended(client, each) for each in (plain, given)]
    own = ("task_id", "outputs", "links", "created_at", "started_at", "finished_at")
    for each in (usual, changed):
        for name in (*own, "estimated_seconds"):
            each.pop(name)
    assert usual == changed
