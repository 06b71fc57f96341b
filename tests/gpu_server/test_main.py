"""Spec: GPU Service Structure, Application Entry Point (start-up); and what every route shares."""

import logging
from pathlib import Path

import pytest

from gpu_server import __version__
from gpu_server.config import Engine
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY, picture, problem, running, serving


async def lines_of_a_start(caplog: pytest.LogCaptureFixture, **settings: object) -> list[str]:
    """What a start logs, each line with its level in front."""
    caplog.clear()
    async with serving(**settings):
        return [
            f"{record.levelname} {record.getMessage()}"
            for record in caplog.records
            if record.name == "gpu_server"
        ]


async def test_start_logs_service_name_and_version(caplog: pytest.LogCaptureFixture) -> None:
    assert f"INFO GPU Service {__version__}" in await lines_of_a_start(caplog)


async def test_start_logs_the_comfyui_url(caplog: pytest.LogCaptureFixture) -> None:
    assert f"INFO ComfyUI URL: {NOBODY}" in await lines_of_a_start(caplog)


async def test_start_logs_the_workflows_path(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    lines = await lines_of_a_start(caplog, workflows_path=tmp_path)
    assert f"INFO Workflows path: {tmp_path}" in lines


async def test_start_logs_the_models_path(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    lines = await lines_of_a_start(caplog, models_path=tmp_path)
    assert f"INFO Models path: {tmp_path}" in lines


@pytest.mark.parametrize("engine", Engine)
async def test_start_logs_the_engine(caplog: pytest.LogCaptureFixture, engine: Engine) -> None:
    lines = await lines_of_a_start(caplog, generation_engine=engine)
    assert f"INFO Engine: {engine.value}" in lines


@pytest.mark.parametrize("engine", Engine)
async def test_start_warns_when_comfyui_is_away(
    caplog: pytest.LogCaptureFixture, engine: Engine
) -> None:
    lines = await lines_of_a_start(caplog, generation_engine=engine)
    assert f"WARNING ComfyUI does not answer at {NOBODY}" in lines


async def test_start_with_the_stub_beside_a_comfyui_warns_and_names_the_switch(
    caplog: pytest.LogCaptureFixture, fake: FakeComfyUI
) -> None:
    """Design §2: a placeholder must never pass for an image."""
    lines = await lines_of_a_start(caplog, comfyui_api_url=fake.url)
    warnings = [line for line in lines if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "stub" in warnings[0]
    assert "GENERATION_ENGINE=comfyui" in warnings[0]


async def test_start_with_the_stub_warns_of_settings_that_do_nothing_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = await lines_of_a_start(
        caplog, warmup_workflow="selftest", comfyui_restart_command="true"
    )
    [line] = [line for line in lines if "WARMUP_WORKFLOW" in line]
    assert line.startswith("WARNING WARMUP_WORKFLOW, COMFYUI_RESTART_COMMAND:")


async def test_start_with_comfyui_at_work_warns_of_nothing(
    caplog: pytest.LogCaptureFixture, fake: FakeComfyUI
) -> None:
    lines = await lines_of_a_start(
        caplog, comfyui_api_url=fake.url, generation_engine=Engine.COMFYUI
    )
    assert [line for line in lines if not line.startswith("INFO")] == []


@pytest.mark.parametrize("url", ["http://a..b:8188", "http://localhost:port", "localhost:8188", ""])
async def test_start_survives_an_address_that_is_none(
    caplog: pytest.LogCaptureFixture, url: str
) -> None:
    lines = await lines_of_a_start(caplog, comfyui_api_url=url)
    assert f"WARNING ComfyUI does not answer at {url}" in lines


async def test_stop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving():
        caplog.clear()
    assert ("gpu_server", logging.INFO, "GPU Service stopped") in caplog.record_tuples


async def test_unknown_route_is_a_problem() -> None:
    async with serving() as service:
        problem(await service.http.get("/nothing"), 404, "not_found")


async def test_wrong_method_is_a_problem_that_names_the_right_one() -> None:
    async with serving() as service:
        reply = await service.http.get("/generate")
        problem(reply, 405, "method_not_allowed")
        assert reply.headers["allow"] == "POST"


async def test_openapi_document_describes_the_routes() -> None:
    async with serving() as service:
        paths = (await service.http.get("/openapi.json")).json()["paths"]
    assert set(paths) >= {"/health", "/generate", "/workflows"}


async def test_proxy_of_the_environment_is_not_for_comfyui(
    fake: FakeComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOBODY)
    async with running(fake.url) as service:
        picture(await service.generate("selftest"))
