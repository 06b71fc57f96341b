"""`GET /livez` and `GET /readyz`."""

from pathlib import Path

import pytest

from gpu_server.config import Engine
from gpu_server.services.readiness import STOPPING
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import Service, running, serving


async def ready(service: Service) -> tuple[int, list[str], list[str]]:
    """The status, and which checks are reasons and notes."""
    reply = await service.http.get("/readyz")
    found = reply.json()
    names = [[each["check"] for each in found[kind]] for kind in ("reasons", "notes")]
    return reply.status_code, names[0], names[1]


async def test_stub_is_ready_and_says_that_comfyui_is_away() -> None:
    async with serving() as service:
        assert await ready(service) == (200, [], ["comfyui"])


async def test_engine_with_comfyui_is_ready(fake: FakeComfyUI) -> None:
    async with running(fake.url) as service:
        assert await ready(service) == (200, [], [])
        reply = await service.http.get("/livez")
        assert (reply.status_code, reply.json()) == (200, {"status": "ok", "reasons": []})


async def test_engine_without_comfyui_is_not_ready_and_says_what_to_do() -> None:
    async with serving(generation_engine=Engine.COMFYUI) as service:
        assert await ready(service) == (503, ["comfyui"], [])
        [reason] = (await service.http.get("/readyz")).json()["reasons"]
        assert "COMFYUI_API_URL" in reason["detail"]
        assert (await service.http.get("/livez")).status_code == 200


async def test_engine_without_its_folder_is_not_ready(fake: FakeComfyUI, tmp_path: Path) -> None:
    async with running(fake.url, workflows_path=tmp_path / "missing") as service:
        assert await ready(service) == (503, ["workflows"], [])


async def test_service_that_stops_is_not_ready_at_once(fake: FakeComfyUI) -> None:
    async with running(fake.url) as service:
        await ready(service)
        service.state.readiness.drain()
        reply = await service.http.get("/readyz")
        assert reply.status_code == 503
        assert reply.json()["reasons"] == [{"check": "draining", "detail": STOPPING}]
        assert (await service.http.get("/livez")).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_answer_is_never_kept(method: str, path: str) -> None:
    async with serving() as service:
        reply = await service.http.request(method, path)
        assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
