"""What masks take of the backend's memory: a small file may be many megapixels."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from PIL import Image

from tests import plain_http
from tests.acceptance.processes import eventually, pair
from tests.backend.making import picture

SIDE, DECODED = 5000, 95
"""Pixels; the megabytes that the mask has as RGBA."""


def mask() -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (SIDE, SIDE)).save(file, "PNG")
    return file.getvalue()


def edit(url: str, mask: bytes) -> httpx.Response:
    """With a model that there is not, so that nothing but the request itself is worked on."""
    return plain_http.post(
        f"{url}/v1/images/edits",
        data={"prompt": "p", "model": "none"},
        files={"image": ("a.png", picture()), "mask": ("m.png", mask)},
        timeout=60,
    )


def test_masks_at_once_take_the_memory_of_one(tmp_path: Path) -> None:
    data = mask()
    with pair(tmp_path, engine="comfyui") as programs, ThreadPoolExecutor(3) as clients:
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            program.start()
        eventually(lambda: "engine comfyui" in programs.backend.log.read_text())
        before = programs.backend.peak_megabytes()
        replies = clients.map(edit, [programs.backend.url] * 3, [data] * 3)
        codes = [reply.json()["error"]["code"] for reply in replies]
        grown = programs.backend.peak_megabytes() - before
    assert codes == ["model_not_found"] * 3
    assert DECODED * 0.8 < grown < DECODED * 1.8
