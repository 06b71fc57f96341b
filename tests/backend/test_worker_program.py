"""`python -m backend.worker`: what it refuses to start with."""

import socket
from pathlib import Path

import httpx
import pytest

from backend.config import Settings, get_settings
from backend.worker import counted, main
from tests import plain_http
from tests.backend.serving import make_settings
from tests.exposition import Exported

TWO = "http://gpu1:8001, http://gpu2:8001/"


@pytest.fixture(autouse=True)
def settings_of_the_environment_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever a developer has in `backend/.env`."""
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("environment", "arguments", "told"),
    [
        ({}, [], "there is no DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://x/y", "GPU_SERVICE_URL": TWO}, [], "--gpu-service"),
        (
            {"DATABASE_URL": "postgresql://x/y", "GPU_SERVICE_URL": TWO},
            ["--gpu-service", "http://gpu3:8001"],
            "http://gpu3:8001 is not in GPU_SERVICE_URL (http://gpu1:8001, http://gpu2:8001)",
        ),
    ],
    ids=["no database", "which one", "none of them"],
)
def test_wrong_setting_is_told_in_one_line(
    environment: dict[str, str],
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 2
    [line] = capsys.readouterr().out.splitlines()
    assert "CRITICAL" in line
    assert told in line


def a_port() -> socket.socket:
    """Bound, and nobody listens."""
    return socket.create_server(("127.0.0.1", 0))


def test_metrics_are_told_on_their_port_while_it_works(tmp_path: Path) -> None:
    with a_port() as taken:
        port: int = taken.getsockname()[1]
    settings = make_settings(tmp_path, worker_metrics_port=port, backend_host="127.0.0.1")
    url = f"http://127.0.0.1:{port}/metrics"
    with counted(settings) as metrics:
        metrics.submitted("free")
        seen = Exported(plain_http.get(url).text)
    assert seen.value("gateway_tasks_submitted_total", mode="other") == 1
    assert seen.value("gateway_build_info", service="worker") == 1
    with pytest.raises(httpx.ConnectError):
        plain_http.get(url)


def test_port_of_somebody_else_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_port() as taken:
        for name, value in {
            "DATABASE_URL": "postgresql://x/y",
            "BACKEND_HOST": "127.0.0.1",
            "WORKER_METRICS_PORT": str(taken.getsockname()[1]),
        }.items():
            monkeypatch.setenv(name, value)
        assert main([]) == 3
    [line] = capsys.readouterr().out.splitlines()
    assert "CRITICAL" in line
    assert "WORKER_METRICS_PORT" in line
