"""`./startup.sh` where services run already, were killed, or left something behind."""

import fcntl
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.acceptance.startup.workspace import SERVICES, Workspace, is_alive, wait_until
from tests.ports import is_free


def pids(workspace: Workspace) -> list[int]:
    """The PIDs in both PID files."""
    return [workspace.pid(service) for service in SERVICES]


def test_a_second_start_starts_nothing(quick: Workspace) -> None:
    """Spec: Startup Management, 'Check for existing PID before starting (prevent duplicates)'."""
    before = pids(quick), sorted(quick.processes())
    result = quick.run()
    assert result.returncode == 0
    assert (pids(quick), sorted(quick.processes())) == before
    assert "already running" in result.stdout
    assert "starting backend" not in result.stdout


def test_a_proxy_is_not_asked_for_health(quick: Workspace) -> None:
    proxy = "http://127.0.0.1:9"
    assert quick.run(http_proxy=proxy, HTTP_PROXY=proxy, no_proxy="").returncode == 0


def test_the_typed_command_stops_the_services(running: Workspace) -> None:
    """Spec: Service Control Commands, Stop Services."""
    both = pids(running)
    for service in ("backend", "gpu_server"):
        assert running.shell(["bash", "-c", f"kill $(cat {service}.pid)"]).returncode == 0
    wait_until(lambda: not any(map(is_alive, both)), "both are gone")


RESTART = """
source venv/bin/activate
kill $(cat {path}/backend.pid)
cd {path}/backend
nohup uvicorn main:app --host 0.0.0.0 --port {port} > {path}/logs/backend.log 2>&1 &
"""


def restart_by_hand(workspace: Workspace) -> None:
    """The specification's restart command, as typed but for the port."""
    before = workspace.pid("backend")
    path = str(workspace.path).replace(" ", r"\ ")
    command = RESTART.format(path=path, port=workspace.ports["backend"])
    assert workspace.shell(["bash", "-c", command]).returncode == 0
    wait_until(lambda: not is_alive(before), "the backend of before is gone")
    wait_until(lambda: "Uvicorn running" in workspace.log("backend"), "the new one listens")


def test_the_typed_command_restarts_the_backend(running: Workspace) -> None:
    """Spec: Service Control Commands, Restart Service."""
    restart_by_hand(running)
    assert running.health("backend") == 200


def test_a_backend_restarted_by_hand_gets_its_pid_file_back(running: Workspace) -> None:
    restart_by_hand(running)
    count = len(running.processes())
    result = running.run()
    assert result.returncode == 0
    assert len(running.processes()) == count
    running.kill("backend")


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_recovered(running: Workspace, service: str) -> None:
    """Spec: Success Criteria, Validation Tests 5, 'Kill and restart'."""
    running.kill(service)
    result = running.run()
    assert result.returncode == 0
    assert f"{service}.pid is stale" in result.stdout
    assert running.health(service) == 200


def test_a_service_that_is_shutting_down_is_started_again(running: Workspace) -> None:
    os.kill(running.pid("gpu_server"), signal.SIGTERM)
    assert running.run().returncode == 0
    assert running.health("gpu_server") == 200


def test_a_log_keeps_what_the_run_before_said(quick: Workspace) -> None:
    said = quick.log("backend")
    quick.kill("backend")
    quick.run()
    assert quick.log("backend").startswith(said)


def test_a_pid_of_somebody_else_is_left_alone(quick: Workspace) -> None:
    quick.kill("backend")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        quick.pid_file("backend").write_text(f"{other.pid}\n")
        result = quick.run()
        assert other.poll() is None
        other.kill()
    assert result.returncode == 0
    assert quick.pid("backend") != other.pid
    assert quick.health("backend") == 200


@pytest.mark.parametrize("content", ["", "no number\n", "1\n", "-1\n"])
def test_a_broken_pid_file_is_replaced(quick: Workspace, content: str) -> None:
    pid = quick.pid("backend")
    quick.pid_file("backend").write_text(content)
    assert quick.run().returncode == 0
    assert quick.pid("backend") == pid


def test_a_service_that_hangs_is_reported_and_left(quick: Workspace) -> None:
    pid = quick.pid("backend")
    os.kill(pid, signal.SIGSTOP)
    try:
        result = quick.run(STARTUP_WAIT="1")
        assert result.returncode == 1
        assert "startup.sh restart backend" in result.stderr
        assert quick.pid("backend") == pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_port_that_is_taken_names_who_has_it(quick: Workspace) -> None:
    port = quick.ports["backend"]
    quick.kill("backend")
    wait_until(lambda: is_free(port), "the port is free")
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler):
        result = quick.run()
    assert result.returncode == 1
    assert f"backend cannot start: port {port} is taken by PID {os.getpid()}" in result.stderr
    assert not quick.pid_file("backend").exists()


def test_a_second_script_at_the_same_time_is_turned_away(quick: Workspace) -> None:
    quick.kill("backend")
    with (quick.path / ".startup.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = quick.run()
    assert result.returncode == 1
    assert "another startup.sh is at work" in result.stderr
    assert "starting" not in result.stdout


WAITS = """
import time
from pathlib import Path

while not Path("go").exists():
    time.sleep(0.02)
"""


def test_of_two_at_once_one_wins_and_the_other_says_so(quick: Workspace) -> None:
    quick.run("stop")
    program = quick.path / "gpu_server" / "server.py"
    quick.replace("gpu_server", WAITS + program.read_text())
    with subprocess.Popen(
        [str(quick.script)], env=quick.environment, stdout=subprocess.PIPE, text=True
    ) as first:
        wait_until(quick.pid_file("gpu_server").exists, "the first has begun")
        second = quick.run()
        (quick.path / "gpu_server" / "go").touch()
        said, _ = first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 1), said
    told = f"another startup.sh is at work in {quick.path} (PID {first.pid}): wait until"
    assert told in second.stderr
    assert quick.is_up()
    assert len(quick.processes()) == len(SERVICES)
