"""`./startup.sh status`, and its exit codes."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests import plain_http
from tests.acceptance.startup.workspace import SERVICES, Workspace


def line_of(service: str, text: str) -> str:
    """What is said of a service."""
    [line] = [line for line in text.splitlines() if line.startswith(f"{service} ")]
    return " ".join(line.split()[1:])


def without_curl(folder: Path) -> str:
    """A PATH to every program but that one."""
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            if program.name != "curl" and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return str(folder)


def test_each_running_service_has_its_line(quick: Workspace) -> None:
    result = quick.run("status")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 2
    for service in SERVICES:
        pattern = (
            rf"running PID {quick.pid(service)} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \d+ MB "
            rf"port {quick.ports[service]} healthy"
        )
        assert re.fullmatch(pattern, line_of(service, result.stdout))


def test_stopped_is_3(quick: Workspace) -> None:
    quick.run("stop", "backend")
    result = quick.run("status")
    assert result.returncode == 3
    assert line_of("backend", result.stdout) == "stopped"
    assert quick.run("status", "gpu_server").returncode == 0


def test_dead_with_a_pid_file_is_1(quick: Workspace) -> None:
    quick.kill("backend")
    result = quick.run("status")
    assert result.returncode == 1
    assert line_of("backend", result.stdout).startswith("dead its PID file is there")
    assert quick.pid_file("backend").exists()


def test_another_process_with_its_pid_is_dead_too(quick: Workspace) -> None:
    quick.kill("backend")
    quick.pid_file("backend").write_text(f"{os.getpid()}\n")
    assert quick.run("status", "backend").returncode == 1


def test_what_does_not_answer_is_4(quick: Workspace) -> None:
    pid = quick.pid("backend")
    os.kill(pid, signal.SIGSTOP)
    try:
        result = quick.run("status", STARTUP_WAIT="1")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert result.returncode == 4
    assert line_of("backend", result.stdout).endswith("does not answer")


def test_a_degraded_service_runs(quick: Workspace) -> None:
    quick.run("stop", "gpu_server")
    program = (quick.path / "gpu_server" / "server.py").read_text()
    quick.replace("gpu_server", program.replace("healthy", "degraded"))
    quick.run()
    result = quick.run("status", "gpu_server")
    quick.run("stop", "gpu_server")
    assert result.returncode == 0
    assert line_of("gpu_server", result.stdout).endswith("degraded")


@pytest.mark.parametrize("curl", [True, False])
def test_a_drained_backend_runs_and_is_told(running: Workspace, tmp_path: Path, curl: bool) -> None:
    url = running.url("backend", "/drain")
    path = os.environ["PATH"] if curl else without_curl(tmp_path)
    plain_http.post(url).raise_for_status()
    try:
        result = running.run("status", "backend", PATH=path)
    finally:
        plain_http.delete(url).raise_for_status()
    assert result.returncode == 0
    assert line_of("backend", result.stdout).endswith(" healthy, draining")
    assert "draining" not in running.run("status", "backend", PATH=path).stdout


def test_looking_changes_nothing(workspace: Workspace) -> None:
    before = {path.name for path in workspace.path.iterdir()}
    result = workspace.run("status", PYTHON="python3.99")
    assert result.returncode == 3
    assert result.stderr == ""
    assert {path.name for path in workspace.path.iterdir()} == before
