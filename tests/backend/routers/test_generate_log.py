"""`POST /generate`: what it logs."""

import re

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.serving import serving

EVERY_FIELD = {
    "mode": "free",
    "prompt": "p",
    "style": "anime",
    "face_images": ["aGk="],
    "target_image": "aGk=",
    "extra_params": {"steps": 20},
}


async def test_request_parameters_are_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: Generation Router, MVP Stub Behavior 4; Request Routing Service: mode, parameters."""
    task_id = (await client.post("/generate", json=EVERY_FIELD)).json()["task_id"]
    [line] = [each for each in caplog.messages if f"{task_id} queued" in each]
    assert "mode='free'" in line
    assert '"style": "anime"' in line
    assert '"extra_params": {"steps": 20}' in line


async def test_texts_and_images_are_logged_as_lengths(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    request = {
        "mode": "free",
        "prompt": "my secret wish",
        "face_images": ["FACEFACE"],
        "target_image": "TARGETTARGET",
        "extra_params": {"negative_prompt": "my secret fear"},
    }
    await client.post("/generate", json=request)
    assert '"prompt": "<14 characters>"' in caplog.text
    assert '"face_images": ["<8 characters>"]' in caplog.text
    assert not re.search("secret|FACEFACE|TARGET", caplog.text)


async def test_everything_is_logged_at_debug(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(settings, log_level="DEBUG") as client:
        await client.post("/generate", json={"mode": "free", "prompt": "my secret wish"})
    assert "my secret wish" in caplog.text


async def test_one_request_is_one_short_line(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {
        "mode": "m" * 100_000 + "\n2026 | backend | INFO | forged",
        "extra_params": {f"name {number}\n" * 100: number for number in range(1000)},
    }
    async with serving(settings) as client:
        await client.post("/generate", json=request)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if " queued: " in line]) == 1
    assert max(map(len, lines)) < 10_000
    assert all(re.match(r"\d{4}-", line) for line in lines)
