"""`./startup.sh stop`: what runs ends in order, and nothing foreign is signalled."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.startup.workspace import SERVICES, Workspace, is_alive, lines_with, wait_until

NOBODY = 65534
DRAINS = """
import signal, time

def drain(number, frame):
    time.sleep(0.5)
    print("drained", flush=True)
    raise SystemExit

signal.signal(signal.SIGTERM, drain)
"""
DEAF = """
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""


def test_both_services_end_the_backend_first(quick: Workspace) -> None:
    both = [quick.pid(service) for service in SERVICES]
    result = quick.run("stop")
    assert result.returncode == 0
    said = [line for line in lines_with(result.stdout, "INFO") if "has stopped" in line]
    assert [line.split()[0] for line in said] == ["backend", "gpu_server"]
    assert not any(map(is_alive, both))
    assert not any(quick.pid_file(service).exists() for service in SERVICES)


def test_what_does_not_run_needs_no_stop(quick: Workspace) -> None:
    assert quick.run("stop").returncode == 0
    result = quick.run("stop")
    assert result.returncode == 0
    assert lines_with(result.stdout, "INFO") == [
        "backend is not running",
        "gpu_server is not running",
    ]


def test_a_named_service_stops_alone(quick: Workspace) -> None:
    backend = quick.pid("backend")
    assert quick.run("stop", "gpu_server").returncode == 0
    assert not quick.pid_file("gpu_server").exists()
    assert is_alive(backend)


def test_a_stop_waits_for_a_service_that_drains(quick: Workspace) -> None:
    quick.replace("gpu_server", DRAINS + (quick.path / "gpu_server" / "server.py").read_text())
    quick.run("stop", "gpu_server")
    quick.run()
    assert quick.run("stop", "gpu_server").returncode == 0
    assert quick.log("gpu_server").endswith("drained\n")


def test_what_does_not_end_is_killed(quick: Workspace) -> None:
    quick.replace("gpu_server", DEAF + (quick.path / "gpu_server" / "server.py").read_text())
    quick.run("stop", "gpu_server")
    quick.run()
    pid = quick.pid("gpu_server")
    result = quick.run("stop", "gpu_server", STOP_WAIT="1")
    assert result.returncode == 0
    assert lines_with(result.stdout, "WARN") == ["gpu_server has not ended after 2 s: killing it"]
    assert not is_alive(pid)


@pytest.mark.parametrize("folder", [".", "gpu_server"])
def test_a_pid_that_belongs_to_something_else_is_not_signalled(
    quick: Workspace, folder: str
) -> None:
    """Not even where that works in the service's folder, as an operator's shell may."""
    quick.run("stop", "gpu_server")
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, cwd=quick.path / folder) as other:
        quick.pid_file("gpu_server").write_text(f"{other.pid}\n")
        result = quick.run("stop", "gpu_server")
        assert other.poll() is None
        other.kill()
    assert result.returncode == 0
    assert "gpu_server is not running; removing its stale PID file" in result.stdout
    assert not quick.pid_file("gpu_server").exists()


def test_a_pager_on_a_service_s_program_is_not_signalled(quick: Workspace) -> None:
    quick.run("stop", "backend")
    with subprocess.Popen(
        ["tail", "-f", "main.py"], cwd=quick.path / "backend", stdout=subprocess.DEVNULL
    ) as other:
        quick.pid_file("backend").write_text(f"{other.pid}\n")
        result = quick.run("stop", "backend")
        assert other.poll() is None
        other.kill()
    assert result.returncode == 0
    assert not quick.pid_file("backend").exists()


@pytest.fixture
def open_to_all() -> Iterator[Workspace]:
    """A workspace that other users may look into."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        scratch = Workspace(Path(name) / "a workspace")
        yield scratch
        scratch.clean_up()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_what_another_user_runs_is_left_to_that_user(open_to_all: Workspace) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)", "main.py"]
    with subprocess.Popen(command, cwd=open_to_all.path / "backend") as service:
        open_to_all.pid_file("backend").write_text(f"{service.pid}\n")
        result = subprocess.run(
            [open_to_all.script, "stop", "backend"],
            env=open_to_all.environment,
            capture_output=True,
            text=True,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            timeout=60,
            check=False,
        )
        assert service.poll() is None
        service.kill()
    assert result.returncode == 4
    told = f"backend (PID {service.pid}) is run by root: stop it as that user"
    assert lines_with(result.stderr, "ERROR") == [told]
    assert open_to_all.pid_file("backend").exists()


def test_a_foreign_process_on_the_port_is_not_signalled(quick: Workspace) -> None:
    quick.run("stop", "gpu_server")
    command = [sys.executable, "-m", "http.server", str(quick.ports["gpu_server"])]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as other:
        wait_until(lambda: quick.is_listening("gpu_server"), "the other listens")
        result = quick.run("stop", "gpu_server")
        assert other.poll() is None
        other.kill()
    assert "gpu_server is not running" in result.stdout


def test_a_service_that_was_started_by_hand_is_stopped(quick: Workspace) -> None:
    pid = quick.pid("backend")
    quick.pid_file("backend").unlink()
    assert quick.run("stop", "backend").returncode == 0
    assert not is_alive(pid)


def test_a_wrong_setting_does_not_keep_services_running(quick: Workspace) -> None:
    pid = quick.pid("backend")
    assert quick.run("stop", BACKEND_PORT="wrong", DRAIN_SECONDS="many").returncode == 0
    assert not is_alive(pid)


def test_nothing_is_made_by_a_stop(workspace: Workspace) -> None:
    before = {path.name for path in Path(workspace.path).iterdir()}
    assert workspace.run("stop").returncode == 0
    assert {path.name for path in Path(workspace.path).iterdir()} - before <= {".startup.lock"}


def test_an_unknown_service_is_named(workspace: Workspace) -> None:
    result = workspace.run("stop", "frontend")
    assert result.returncode == 2
    told = "there is no service 'frontend', only gpu_server backend worker telegram_bot"
    assert result.stderr.splitlines()[-1] == told
