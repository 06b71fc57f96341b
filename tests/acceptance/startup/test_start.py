"""`./startup.sh` with the real services, from nothing to both healthy."""

import os
import re
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import plain_http
from tests.acceptance.startup.workspace import SERVICES, Workspace, command_of
from tests.ports import free_port


def test_both_services_answer_their_health_checks(running: Workspace) -> None:
    """Spec: Success Criteria, Validation Tests 1 and 2."""
    assert [running.health(service) for service in SERVICES] == [200, 200]


def test_the_backend_reaches_the_gpu_service(running: Workspace) -> None:
    """Spec: Success Criteria, 'Backend can check GPU service availability'."""
    answer = plain_http.get(running.url("backend"))
    assert answer.json()["gpu_available"] is True


def test_a_generation_request_is_in_the_backends_log(running: Workspace) -> None:
    """Spec: Service Integration Testing, 3 to 5."""
    request = {"mode": "free", "prompt": "test prompt", "style": "realistic", "extra_params": {}}
    answer = plain_http.post(running.url("backend", "/generate"), json=request)
    assert answer.json()["status"] == "queued"
    assert "POST /generate" in running.log("backend")


def test_the_gpu_service_starts_first(running: Workspace) -> None:
    """Spec: Startup Management, Service Launch Sequence."""
    order = ["starting gpu_server", "gpu_server is up", "starting backend", "backend is up"]
    assert re.findall("|".join(order), running.log("startup"))[:4] == order


@pytest.mark.parametrize(
    ("service", "words"),
    [("gpu_server", ["server.py"]), ("backend", ["main:app", "--host", "0.0.0.0", "--port"])],
)
def test_the_pid_file_names_the_process_itself(
    running: Workspace, service: str, words: list[str]
) -> None:
    """Spec: Startup Management, Process Management, 'Store PID in /workspace/{service}.pid'."""
    command = command_of(running.pid(service))
    assert set(words) < set(command)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_holds_its_log_and_nothing_of_the_script(
    running: Workspace, service: str
) -> None:
    """Spec: Startup Management, Process Management, 'Redirect stdout/stderr to …/logs'."""
    files = Path(f"/proc/{running.pid(service)}/fd")
    log = running.path / "logs" / f"{service}.log"
    assert [(files / fd).readlink() for fd in "012"] == [Path("/dev/null"), log, log]
    assert running.path / ".startup.lock" not in [file.readlink() for file in files.iterdir()]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_outlives_the_terminal(running: Workspace, service: str) -> None:
    """Spec: Startup Management, Process Management, 'Use nohup for background execution'."""
    pid = running.pid(service)
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGHUP)
    assert running.health(service) == 200


def test_a_service_inherits_no_open_pipe(running: Workspace) -> None:
    running.kill("backend")
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        assert running.shell(["./startup.sh"], keep_open=[writing]).returncode == 0
        os.close(writing)
        assert os.read(reading, 1) == b""
    finally:
        os.close(reading)


def test_a_reader_of_the_output_sees_its_end(running: Workspace) -> None:
    running.kill("backend")
    result = running.shell(["bash", "-o", "pipefail", "-c", "./startup.sh | cat"])
    assert result.returncode == 0
    assert "everything is up" in result.stdout


def test_a_reader_that_leaves_does_not_stop_the_start(running: Workspace) -> None:
    running.kill("backend")
    result = running.shell(["bash", "-o", "pipefail", "-c", "./startup.sh | head -n 1"])
    assert result.returncode == 0
    assert running.health("backend") == 200


def test_the_folders_of_the_workspace_are_made(running: Workspace) -> None:
    """Spec: Configuration Reference, File System Paths."""
    for folder in ("logs", "venv", "models", "workflows", "data"):
        assert (running.path / folder).is_dir()


def test_the_script_can_be_called_through_a_link(running: Workspace, tmp_path: Path) -> None:
    link = tmp_path / "start"
    link.symlink_to(running.script)
    result = running.shell([str(link)])
    assert result.returncode == 0
    assert f"starting in {running.path}\n" in result.stdout


def test_the_workspace_may_be_another_folder(workspace: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    assert workspace.run(WORKSPACE=str(elsewhere)).returncode == 0
    made = {"venv", "logs", "data", "models", "workflows", "backend.pid", "gpu_server.pid"}
    assert {path.name for path in elsewhere.iterdir()} == made | {".startup.lock", ".venvs"}
    assert not made & {path.name for path in workspace.path.iterdir()}


def test_coreutils_and_python_are_enough(workspace: Workspace, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    needed = "bash sh cat cut date dirname readlink realpath mkdir mv ln rm ls sleep stat tail env"
    for name in [*needed.split(), "sha256sum", "nohup"]:
        tools.joinpath(name).symlink_to(next(Path(bin_, name) for bin_ in ("/usr/bin", "/bin")))
    result = workspace.run(PATH=str(tools))
    assert result.returncode == 0, result.stderr
    assert workspace.health("backend") == 200


class AnsweringComfyUI(BaseHTTPRequestHandler):
    """ComfyUI, as far as a health check can see it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def test_placeholders_beside_a_working_comfyui_are_pointed_out(running: Workspace) -> None:
    running.kill("gpu_server")
    port = free_port()
    with ThreadingHTTPServer(("127.0.0.1", port), AnsweringComfyUI) as comfyui:
        Thread(target=comfyui.serve_forever, daemon=True).start()
        result = running.run(COMFYUI_API_URL=f"http://127.0.0.1:{port}")
        comfyui.shutdown()
    assert re.search(r"\[WARN\] .*GENERATION_ENGINE=comfyui", result.stdout)
