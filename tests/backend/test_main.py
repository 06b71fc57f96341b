"""The application: what it logs, whom it lets in, what it holds."""

import json

import httpx
import pytest

from backend.config import Settings
from backend.errors import DataFolderInUse
from backend.main import create_app
from tests.backend.gpu_service import GPU_URL, GPUService
from tests.backend.serving import serving

ORIGIN = "https://pictures.example"


def lines(capsys: pytest.CaptureFixture[str], ending: str) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.endswith(ending)]


async def test_start_logs_title_and_version(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Application Entry Point, Startup Behavior."""
    async with serving(settings):
        assert lines(capsys, "| INFO | AI Image Generation API 1.0.0")


async def test_start_logs_the_gpu_service_url(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Application Entry Point, Startup Behavior."""
    async with serving(settings):
        assert lines(capsys, f"| INFO | GPU service URL: {GPU_URL}")


async def test_start_logs_the_operational_mode(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Application Entry Point, Startup Behavior."""
    async with serving(settings):
        assert "MVP with stub endpoints" in capsys.readouterr().out


async def test_start_shows_the_limits(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Application Entry Point, Responsibilities: a configuration summary."""
    async with serving(settings):
        assert lines(
            capsys, "Limits: request timeout 180 s, body 100 MB, image 10 MB, 5 face images"
        )


async def test_log_level_of_the_environment_is_applied(
    settings: Settings,
    gpu: GPUService,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spec: Logging Utility, Configuration: log level override via environment."""
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    async with serving(settings, log_level=Settings(_env_file=None).log_level):
        assert capsys.readouterr().out == ""


async def test_log_format_is_applied(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Configuration Parameters: log_format."""
    async with serving(settings, log_format="json"):
        first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["message"] == "AI Image Generation API 1.0.0"


async def test_stop_is_logged(
    settings: Settings, gpu: GPUService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spec: Application Entry Point, Shutdown Behavior."""
    async with serving(settings):
        assert not lines(capsys, "stopped")
    assert lines(capsys, "| INFO | AI Image Generation API stopped")


async def test_stop_gives_the_data_folder_back(settings: Settings, gpu: GPUService) -> None:
    """Spec: Application Entry Point, Shutdown Behavior: graceful cleanup."""
    async with serving(settings):
        pass
    async with serving(settings) as client:
        assert (await client.get("/health")).status_code == 200


async def test_second_backend_on_the_data_folder_does_not_start(
    settings: Settings, gpu: GPUService
) -> None:
    async with serving(settings):
        with pytest.raises(DataFolderInUse, match="set another DATA_PATH"):
            async with serving(settings):
                pytest.fail("it started")


def test_making_the_application_opens_nothing(settings: Settings) -> None:
    create_app(settings)
    assert not settings.data_path.exists()


def test_title_and_version_are_the_api_s_metadata(settings: Settings) -> None:
    """Spec: Configuration Parameters: api_title, api_version."""
    app = create_app(settings.model_copy(update={"api_title": "P", "api_version": "7"}))
    assert (app.title, app.version) == ("P", "7")


async def test_any_origin_may_read(client: httpx.AsyncClient) -> None:
    """Spec: Security Considerations: CORS allows all origins."""
    reply = await client.get("/health", headers={"Origin": ORIGIN})
    assert reply.headers["access-control-allow-origin"] == "*"


async def test_any_origin_may_post_json(client: httpx.AsyncClient) -> None:
    """Spec: Security Considerations: CORS allows all origins."""
    reply = await client.options(
        "/generate",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, prefer",
        },
    )
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "content-type" in reply.headers["access-control-allow-headers"]


async def test_any_origin_may_read_errors(client: httpx.AsyncClient) -> None:
    reply = await client.post("/generate", json={}, headers={"Origin": ORIGIN})
    assert reply.status_code == 422
    assert reply.headers["access-control-allow-origin"] == "*"


async def test_scripts_of_other_origins_may_read_our_headers(client: httpx.AsyncClient) -> None:
    reply = await client.get("/health", headers={"Origin": ORIGIN})
    exposed = reply.headers["access-control-expose-headers"].split(", ")
    assert {"Location", "Retry-After", "Idempotent-Replayed", "Preference-Applied"} <= set(exposed)


async def test_origins_can_be_restricted(settings: Settings, gpu: GPUService) -> None:
    async with serving(settings, cors_origins=["https://ours.example"]) as client:
        reply = await client.get("/health", headers={"Origin": ORIGIN})
    assert "access-control-allow-origin" not in reply.headers


async def test_api_describes_itself(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {"/health", "/generate", "/tasks/{task_id}", "/tasks/{task_id}/events"} <= set(paths)


async def test_api_describes_what_may_be_said_of_a_task(client: httpx.AsyncClient) -> None:
    generate = (await client.get("/openapi.json")).json()["paths"]["/generate"]["post"]
    headers = {each["name"].lower() for each in generate["parameters"] if each["in"] == "header"}
    assert {"prefer", "idempotency-key", "x-priority", "cancel-after"} <= headers
