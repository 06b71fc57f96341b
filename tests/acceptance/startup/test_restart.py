"""`git pull && ./startup.sh restart`: what cannot work is found before anything is stopped."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import plain_http
from tests.acceptance.processes import Program
from tests.acceptance.startup.workspace import (
    REPOSITORY,
    SERVICES,
    Workspace,
    is_alive,
    wait_until,
)
from tests.certificates import Authority
from tests.ports import free_port

TASKS = 21


def pids(workspace: Workspace) -> list[int]:
    """The PIDs in both PID files."""
    return [workspace.pid(service) for service in SERVICES]


def require(workspace: Workspace, line: str) -> None:
    """As an update that brings a new requirement."""
    with (workspace.path / "backend" / "requirements.txt").open("a") as requirements:
        requirements.write(f"{line}\n")


def environment_of(pid: int) -> Path:
    """The folder of the virtual environment that a process was started from."""
    words = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return Path(next(word for word in words if word.startswith("VIRTUAL_ENV="))[12:]).resolve()


def test_wrong_settings_stop_nothing(running: Workspace) -> None:
    before = pids(running)
    result = running.run("restart", REQUEST_TIMEOUT="soon", GENERATION_ENGINE="magic")
    assert result.returncode == 1
    assert "The backend cannot start: REQUEST_TIMEOUT is 'soon'" in result.stderr
    assert "The GPU service cannot start: GENERATION_ENGINE is 'magic'" in result.stderr
    assert "what runs goes on as it was" in result.stderr
    assert pids(running) == before
    assert running.is_up()


def test_a_port_of_somebody_else_stops_nothing(running: Workspace) -> None:
    before = pids(running)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        port = other.server_port
        result = running.run("restart", BACKEND_PORT=str(port))
    assert result.returncode == 1
    assert f"backend cannot start: port {port} is taken by PID {os.getpid()} " in result.stderr
    assert "end that, or set another port in backend/.env" in result.stderr
    assert pids(running) == before


def test_a_start_that_would_fail_stops_nothing(running: Workspace) -> None:
    """The settings may be well in themselves."""
    before = pids(running)
    result = running.run("restart", "backend", STYLES_PATH="/nowhere")
    assert result.returncode == 1
    assert "The backend cannot start: The styles file cannot be read" in result.stderr
    assert pids(running) == before


def test_a_data_folder_that_cannot_be_written_stops_nothing(running: Workspace) -> None:
    before = pids(running)
    result = running.run("restart", "backend", DATA_PATH=str(running.script))
    assert result.returncode == 1
    assert "The backend cannot start: The data folder cannot be written" in result.stderr
    assert pids(running) == before
    assert running.is_up()


@pytest.mark.parametrize("service", SERVICES)
def test_a_host_of_another_machine_stops_nothing(running: Workspace, service: str) -> None:
    before = pids(running)
    result = running.run("restart", service, **{f"{service.upper()}_HOST": "192.0.2.1"})
    assert result.returncode == 1
    assert "cannot start: it cannot listen on 192.0.2.1" in result.stderr
    assert pids(running) == before
    assert running.is_up()


def test_an_older_program_stops_nothing(running: Workspace) -> None:
    """It would refuse what the newer one has made, and be the only one left."""
    before = pids(running)
    newest = max((running.path / "backend/store/sqlite/schema").iterdir())
    aside = newest.rename(running.path / newest.name)
    try:
        result = running.run("restart", "backend")
    finally:
        aside.rename(newest)
    assert result.returncode == 1
    assert "tasks.sqlite3 was made by a newer version of this program" in result.stderr
    assert pids(running) == before
    assert running.is_up()


def test_programs_that_are_broken_stop_nothing(running: Workspace) -> None:
    before = pids(running)
    programs = [running.path / service / "main.py" for service in SERVICES]
    sound = [program.read_text() for program in programs]
    for program, text in zip(programs, sound, strict=True):
        program.write_text(f"import a_module_that_is_not_there\n{text}")
    try:
        result = running.run("restart")
    finally:
        for program, text in zip(programs, sound, strict=True):
            program.write_text(text)
    assert result.returncode == 1
    for service in SERVICES:
        assert f"{service} would not start, so nothing was stopped" in result.stderr
    assert "No module named 'a_module_that_is_not_there'" in result.stderr
    assert pids(running) == before


def test_a_failing_pip_stops_nothing(running: Workspace) -> None:
    before, environment = pids(running), (running.path / "venv").resolve()
    (running.record / "pip-fails").touch()
    require(running, "a-package")
    try:
        result = running.run("restart")
    finally:
        (running.record / "pip-fails").unlink()
    assert result.returncode == 5
    assert "could not be installed, so nothing was started or stopped" in result.stderr
    assert pids(running) == before
    assert (running.path / "venv").resolve() == environment
    assert running.is_up()


def test_changed_requirements_are_installed_beside_what_runs(running: Workspace) -> None:
    venv, (gpu_server, backend) = running.path / "venv", pids(running)
    require(running, "another-package")
    assert running.run("restart", "backend").returncode == 0
    assert running.pid("gpu_server") == gpu_server
    assert running.pid("backend") != backend
    new = venv.resolve()
    assert new.parent == (running.path / ".venvs").resolve()
    assert environment_of(running.pid("backend")) == new
    assert environment_of(gpu_server) != new
    assert running.run("restart", "gpu_server").returncode == 0
    assert environment_of(running.pid("gpu_server")) == new
    assert [*new.parent.iterdir()] == [new]  # The one before is not in use any more.


def test_the_first_update_leaves_the_environment_of_what_runs(workspace: Workspace) -> None:
    workspace.stand_in()
    workspace.run()
    require(workspace, "another-package")
    assert workspace.run("start").returncode == 0
    first = environment_of(workspace.pid("backend"))
    assert first != (workspace.path / "venv").resolve()
    assert (first / "bin" / "uvicorn").exists()


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_lost_terminal_leaves_nothing_down(running: Workspace, how: signal.Signals) -> None:
    before, said = running.pid("backend"), len(running.log("startup"))
    command = [str(running.script), "restart", "backend"]
    with subprocess.Popen(
        command, env=running.environment, stdout=subprocess.PIPE, start_new_session=True
    ) as script:
        wait_until(lambda: "stopping backend" in running.log("startup")[said:], "it is at work")
        os.killpg(script.pid, how)
        script.communicate(timeout=60)
    assert script.returncode == 0
    assert running.pid("backend") != before
    assert running.is_up()
    running.run("stop", "backend")
    assert "killing it" not in running.log("startup")[said:]


def test_what_was_stopped_is_started_with_tls_too(running: Workspace, tmp_path: Path) -> None:
    """The program is tried as it will run, certificate and all."""
    running.run("stop", "backend")
    result = running.run("restart", "backend", **Authority(tmp_path).issue().settings)
    running.run("stop", "backend")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"https://127.0.0.1:{running.ports['backend']}" in result.stdout


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[Program]:
    """A ComfyUI whose first job runs until that is allowed to end."""
    port = free_port()
    options = ["--fault", "hang:once", "--executions", str(tmp_path / "executions")]
    program = Program(
        [sys.executable, "-m", "tests.fake_comfyui", "--port", str(port), *options],
        REPOSITORY,
        port,
        tmp_path / "comfyui.log",
        "/system_stats",
    )
    program.start()
    yield program
    program.stop()


def counted(workspace: Workspace) -> dict[str, int]:
    """How many tasks there are in each state."""
    url = workspace.url("backend", "/tasks?limit=100")
    states = [task["status"] for task in plain_http.get(url).json()["tasks"]]
    return {state: states.count(state) for state in states}


def test_an_update_loses_no_task(shared: Workspace, comfyui: Program, tmp_path: Path) -> None:
    """With one running in ComfyUI and twenty queued; none runs twice."""
    with_comfyui = {
        "GENERATION_ENGINE": "comfyui",
        "COMFYUI_API_URL": comfyui.url,
        "DRAIN_SECONDS": "0",
        "DATA_PATH": str(tmp_path / "data"),
        "OBJECT_INFO_PATH": str(tmp_path / "object_info.json"),
    }
    assert shared.run("restart", **with_comfyui).returncode == 0
    for number in range(TASKS):
        body: dict[str, Any] = {"mode": "free", "prompt": f"lighthouse {number}"}
        answer = plain_http.post(shared.url("backend", "/generate"), json=body)
        assert answer.status_code == 200, answer.text
    executions = tmp_path / "executions"
    wait_until(executions.exists, "ComfyUI runs the first")
    before = pids(shared)
    require(shared, "an-update")
    result = shared.run("restart", **with_comfyui)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not any(map(is_alive, before))
    assert sum(counted(shared).values()) == TASKS
    assert counted(shared).get("done", 0) == 0
    plain_http.post(f"{comfyui.url}/fake/faults", json={"clear": "all"})
    wait_until(lambda: counted(shared) == {"done": TASKS}, "all are done")
    events = [json.loads(line) for line in executions.read_text().splitlines()]
    assert sum(event["event"] == "started" for event in events) == TASKS
    shared.run("stop")
