"""What the tests of routes start from."""

from collections.abc import AsyncIterator

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, a_picture
from tests.backend.serving import serving
from tests.conditions import eventually

NUMBER = {"type": "integer"}


@pytest.fixture
async def images(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a backend whose ComfyUI makes images."""
    image = {"type": "string", "contentEncoding": "base64"}
    gpu.has_workflows(
        "free_generation",
        "image_to_image",
        "inpaint",
        prompt={"type": "string"},
        negative_prompt={"type": "string"},
        model={"type": "string"},
        width=NUMBER,
        height=NUMBER,
        seed=NUMBER,
        image=image,
        mask=image,
    )
    gpu.makes = [a_picture()]
    async with serving(settings) as client:
        await eventually(lambda: "engine comfyui" in caplog.text)
        yield client
