"""Spec: GPU Service Structure, Health Check Endpoint; GPU Service Health (validation)."""

from pathlib import Path

import httpx
import pytest
import respx

from gpu_server.config import Engine
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY, Service, serving


async def health(service: Service) -> tuple[int, dict[str, object]]:
    reply = await service.http.get("/health")
    return reply.status_code, reply.json()


def answer(status: str, available: bool) -> dict[str, object]:
    """Exactly these four fields."""
    return {
        "status": status,
        "comfyui_available": available,
        "service": "gpu_server",
        "version": "1.0.0",
    }


@pytest.mark.parametrize("engine", Engine)
async def test_degraded_and_200_without_comfyui(engine: Engine) -> None:
    async with serving(generation_engine=engine) as service:
        assert await health(service) == (200, answer("degraded", False))


@pytest.mark.parametrize("engine", Engine)
async def test_healthy_with_comfyui(engine: Engine, fake: FakeComfyUI) -> None:
    async with serving(generation_engine=engine, comfyui_api_url=fake.url) as service:
        assert await health(service) == (200, answer("healthy", True))


async def test_each_check_asks_comfyui_anew(fake: FakeComfyUI) -> None:
    async with serving(comfyui_api_url=fake.url) as service:
        fake.requests.clear()
        await health(service)
        await health(service)
    assert len(fake.requests_to("GET", "/system_stats")) == 2


async def test_unhealthy_and_503_when_nothing_can_run(fake: FakeComfyUI, tmp_path: Path) -> None:
    """The engine has no folder to take workflows from: not even a ComfyUI helps."""
    async with serving(
        generation_engine=Engine.COMFYUI,
        comfyui_api_url=fake.url,
        workflows_path=tmp_path / "missing",
    ) as service:
        assert await health(service) == (503, answer("unhealthy", True))


async def test_unhealthy_names_comfyui_s_absence_too(tmp_path: Path) -> None:
    async with serving(
        generation_engine=Engine.COMFYUI, workflows_path=tmp_path / "missing"
    ) as service:
        assert await health(service) == (503, answer("unhealthy", False))


async def test_stub_needs_no_workflows_folder(tmp_path: Path) -> None:
    async with serving(workflows_path=tmp_path / "missing") as service:
        assert await health(service) == (200, answer("degraded", False))


async def test_healthy_again_once_the_folder_is_there(fake: FakeComfyUI, tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    async with serving(
        generation_engine=Engine.COMFYUI, comfyui_api_url=fake.url, workflows_path=folder
    ) as service:
        folder.mkdir()
        assert await health(service) == (200, answer("healthy", True))


@respx.mock
async def test_comfyui_that_answers_an_error_is_not_available() -> None:
    respx.get(f"{NOBODY}/system_stats").respond(500)
    async with serving() as service:
        assert await health(service) == (200, answer("degraded", False))


@respx.mock
async def test_comfyui_that_breaks_off_is_not_available() -> None:
    respx.get(f"{NOBODY}/system_stats").mock(side_effect=httpx.RemoteProtocolError)
    async with serving() as service:
        assert await health(service) == (200, answer("degraded", False))
