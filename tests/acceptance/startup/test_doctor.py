"""`./startup.sh doctor`, where things are well and where they are not."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests import plain_http
from tests.acceptance.processes import Program
from tests.acceptance.startup.workspace import REPOSITORY, Workspace
from tests.ports import free_port

LINE = re.compile(r"( ok |warn|FAIL)  (\S+( \S+)*) {1,}(.+)|                      -> .+")
LEVELS = ["green", "yellow", "red"]
MODEL = "another-model.safetensors"


@pytest.fixture(scope="module")
def at_work(shared: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Both services with a ComfyUI without the model that the shipped workflows name."""
    port = free_port()
    comfyui = Program(
        [sys.executable, "-m", "tests.fake_comfyui", "--port", str(port), "--models", MODEL],
        REPOSITORY,
        port,
        tmp_path_factory.mktemp("comfyui") / "comfyui.log",
        "/system_stats",
    )
    comfyui.start()
    before = shared.environment
    shared.environment = before | {
        "GENERATION_ENGINE": "comfyui",
        "COMFYUI_API_URL": comfyui.url,
    }
    shared.run("stop")
    assert shared.run().returncode == 0
    yield shared
    shared.run("stop")
    shared.environment = before
    comfyui.stop()


def findings(workspace: Workspace, **environment: str) -> dict[str, dict[str, str]]:
    """The first of the worst of each subject."""
    result = workspace.run("doctor", "--json", **environment)
    answer = json.loads(result.stdout)
    assert result.returncode == (1 if answer["status"] == "red" else 0)
    found: dict[str, dict[str, str]] = {}
    for finding in answer["findings"]:
        worst = found.setdefault(finding["subject"], finding)
        if LEVELS.index(finding["level"]) > LEVELS.index(worst["level"]):
            found[finding["subject"]] = finding
    levels = {finding["level"] for finding in answer["findings"]}
    assert answer["status"] == next(x for x in ("red", "yellow", "green") if x in levels)
    return found


def test_a_missing_model_is_found_and_an_image_comes_all_the_way(at_work: Workspace) -> None:
    found = findings(at_work)
    assert found["workflows"]["level"] == "yellow"
    assert "ckpt_name 'sd_xl_base_1.0.safetensors'" in found["workflows"]["text"]
    assert found["comfyui"]["text"].startswith("0.33.0 ")
    assert found["selftest"]["level"] == "green", found["selftest"]
    assert "came back through the backend, the GPU service and" in found["selftest"]["text"]
    assert found["gpu service"]["text"].endswith("engine comfyui, 5 workflows")


def test_one_line_for_each_finding_and_one_for_all(at_work: Workspace) -> None:
    result = at_work.run("doctor")
    *lines, last = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout
    assert result.stderr == ""
    for line in lines:
        assert LINE.fullmatch(line), line
    assert len(lines) < 40
    assert re.fullmatch(r"0 red, \d+ yellow, \d+ green", last)


def test_a_misspelt_key_a_missing_package_and_a_broken_program_are_named(
    at_work: Workspace,
) -> None:
    changed = {
        "backend/.env": 'REQUEST_TIMOUT="5 \\\\"\n',
        "backend/requirements.txt": "no-such-package\n",
        "gpu_server/doctor/finding.py": "import a_module_that_is_not_there\n",
    }
    before = {name: (at_work.path / name).read_text() for name in changed}
    for name, line in changed.items():
        (at_work.path / name).write_text(f"{before[name]}{line}")
    try:
        found = findings(at_work)
    finally:
        for name, text in before.items():
            (at_work.path / name).write_text(text)
    assert found["backend/.env"]["text"].startswith("REQUEST_TIMOUT is no setting")
    assert found["backend/.env"]["way_out"] == "write REQUEST_TIMEOUT"
    assert found["backend"]["text"] == "its .env was changed after it was started"
    assert found["packages"]["level"] == "red"
    assert found["packages"]["text"].startswith("no-such-package is not installed")
    assert "requirements have changed" in found["python"]["text"]
    assert found["gpu_server"]["level"] == "red"
    assert "No module named 'a_module_that_is_not_there'" in found["gpu_server"]["text"]


def test_a_drain_is_red_with_its_end_and_no_image_is_tried(at_work: Workspace) -> None:
    url = at_work.url("backend", "/drain")
    plain_http.post(url).raise_for_status()
    try:
        found = findings(at_work)
    finally:
        plain_http.delete(url).raise_for_status()
    assert found["backend"]["level"] == "red"
    assert found["backend"]["text"].startswith("is not ready (draining): An admin drains it")
    assert found["backend"]["way_out"].startswith(f"curl -X DELETE {url} ")
    assert found["selftest"]["level"] == "yellow"
    assert found["selftest"]["text"] == "is not tried: the backend is not ready (draining)"


def test_a_wrong_setting_is_one_finding(at_work: Workspace) -> None:
    wrong = {"REQUEST_TIMEOUT": "soon", "JOB_TIMEOUT": "later"}
    answer = json.loads(at_work.run("doctor", "--json", **wrong).stdout)
    red = {each["subject"]: each["text"] for each in answer["findings"] if each["level"] == "red"}
    assert len(red) == 2, red
    assert red["backend/.env"].startswith("REQUEST_TIMEOUT is 'soon'")
    assert red["gpu_server/.env"].startswith("JOB_TIMEOUT is 'later'")


def test_a_backend_that_hangs_is_not_waited_for(at_work: Workspace) -> None:
    pid = at_work.pid("backend")
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    try:
        found = findings(at_work, STARTUP_WAIT="1")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert time.monotonic() - begun < 45
    assert "does not answer" in found["backend"]["text"]
    assert found["selftest"]["text"] == "is not tried: the backend does not answer"


def test_nobody_else_on_the_backends_port_is_sent_the_key(at_work: Workspace) -> None:
    """Nor where ours runs, on the port that it was started with."""
    keys: list[str | None] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers["X-API-Key"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "healthy"}')

        def do_POST(self) -> None:
            self.do_GET()

    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        port = str(stranger.server_port)
        found = findings(at_work, BACKEND_PORT=port, DOCTOR_API_KEY="cgw_secret")
        stranger.shutdown()
    assert set(keys) == {None}
    assert found["selftest"]["level"] == "green"
    assert "alone (no backend of ours listens)" in found["selftest"]["text"]


def test_a_fresh_clone_is_told_to_start(workspace: Workspace) -> None:
    before = {path.name for path in workspace.path.iterdir()}
    found = findings(workspace)
    assert {path.name for path in workspace.path.iterdir()} == before
    assert found["python"]["text"] == "there is no virtual environment yet"
    assert found["python"]["way_out"].endswith("startup.sh start makes it")
    assert found["backend"]["text"] == "is not started"


def test_without_any_python_the_lines_are_the_same(workspace: Workspace) -> None:
    result = workspace.run("doctor", PYTHON="python3.99")
    assert result.returncode == 1
    assert "FAIL  python          there is no python3.99\n" in result.stdout
    assert "-> install Python 3.10 or newer (apt-get install python3 python3-venv)" in result.stdout


def test_a_broken_environment_is_red(workspace: Workspace) -> None:
    (workspace.path / "venv" / "bin").mkdir(parents=True)
    found = findings(workspace)
    assert found["python"]["level"] == "red"
    assert "its Python is gone" in found["python"]["text"]


def test_a_service_that_died_and_a_port_that_is_taken_are_red(workspace: Workspace) -> None:
    workspace.pid_file("gpu_server").write_text("99999999\n")
    port = workspace.ports["backend"]
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler):
        told = workspace.run("doctor").stdout
    assert "FAIL  gpu_server      has ended by itself\n" in told
    assert f"FAIL  backend         its port {port} is taken by PID {os.getpid()} " in told


@pytest.mark.parametrize("arguments", [["--xml"], ["--json", "now"], ["backend"]])
def test_a_wrong_argument_is_refused(workspace: Workspace, arguments: list[str]) -> None:
    assert workspace.run("doctor", *arguments).returncode == 2


def test_a_folder_that_cannot_be_written_is_red(workspace: Workspace) -> None:
    """Not even root may make a file in /proc."""
    assert findings(workspace, WORKSPACE="/proc/1")["workspace"]["level"] == "red"
