"""A scratch copy of the tree in which the real `startup.sh` runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backend.config import Settings as BackendSettings
from gpu_server.config import Settings as GpuSettings
from tests import plain_http
from tests.acceptance.startup.prepared_python import write_interpreter
from tests.ports import free_port, is_free

REPOSITORY = Path(__file__).resolve().parents[3]
SERVICES = ("gpu_server", "backend")
DEADLINE = 45.0
"""Seconds after which a condition that has not come is a failure."""

OURS = {
    "workspace",
    "python",
    "startup_wait",
    "stop_wait",
    "telegram_bot_command",
    "no_color",
    "virtual_env",
}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Polls until `condition()`; fails with `what` when the deadline is over."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited {DEADLINE} s until {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def command_of(pid: int) -> list[str]:
    """The words a process was started with."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def plain_environment() -> dict[str, str]:
    """This process's environment without anything that sets the services or the script."""
    names = OURS | set(BackendSettings.model_fields) | set(GpuSettings.model_fields)
    return {name: value for name, value in os.environ.items() if name.lower() not in names}


GPU_SERVER_STAND_IN = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "healthy"}')

HTTPServer(("", int(os.environ["GPU_SERVER_PORT"])), Healthy).serve_forever()
"""
BACKEND_STAND_IN = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"status": "healthy"}'})
"""


class Workspace:
    """`backend/`, `gpu_server/` and `startup.sh` in a folder of their own, on free ports."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.path = folder
        self.record = folder / "record"
        """What the prepared interpreter and its pip were asked."""
        self.record.mkdir()
        self.script = folder / "startup.sh"
        shutil.copy2(REPOSITORY / "startup.sh", self.script)
        for service in SERVICES:
            ignore = shutil.ignore_patterns(".env")
            shutil.copytree(REPOSITORY / service, folder / service, ignore=ignore)
        write_interpreter(folder / "record" / "python", self.record)
        self.ports = {"gpu_server": free_port(), "backend": free_port()}
        self.environment = plain_environment() | {
            "PYTHON": str(folder / "record" / "python"),
            "GPU_SERVER_PORT": str(self.ports["gpu_server"]),
            "BACKEND_PORT": str(self.ports["backend"]),
            "GPU_SERVICE_URL": f"http://127.0.0.1:{self.ports['gpu_server']}",
            "COMFYUI_API_URL": f"http://127.0.0.1:{free_port()}",
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `./startup.sh` to its end. A service that held its output would hang this."""
        return self.shell(["./startup.sh", *arguments], environment)

    def shell(
        self,
        command: list[str],
        environment: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Runs any command in the workspace, with the script's environment."""
        return subprocess.run(
            command,
            cwd=self.path,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            pass_fds=keep_open,
            timeout=120,
            check=False,
        )

    def pid_file(self, service: str) -> Path:
        """Where the script keeps a service's PID."""
        return self.path / f"{service}.pid"

    def pid(self, service: str) -> int:
        """The PID in a service's PID file."""
        return int(self.pid_file(service).read_text())

    def log(self, service: str) -> str:
        """All of `logs/{service}.log`."""
        return (self.path / "logs" / f"{service}.log").read_text()

    def url(self, service: str, path: str = "/health") -> str:
        """An address of a service, from this machine."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def health(self, service: str) -> int:
        """The status code of a service's health check."""
        return plain_http.get(self.url(service)).status_code

    def is_listening(self, service: str) -> bool:
        """Whether anybody listens on a service's port."""
        return not is_free(self.ports[service])

    def is_up(self) -> bool:
        """Whether both services run by their PID files, and answer."""
        if not all(self.pid_file(service).exists() for service in SERVICES):
            return False
        if not all(self.pid(service) in self.processes() for service in SERVICES):
            return False
        return [self.health(service) for service in SERVICES] == [200, 200]

    def replace(self, service: str, program: str) -> None:
        """Puts a stand-in where a service's entry point is."""
        entry = {"gpu_server": "server.py", "backend": "main.py", "telegram_bot": "main.py"}
        path = self.path / service / entry[service]
        path.parent.mkdir(exist_ok=True)
        path.write_text(program)

    def replace_both(self) -> None:
        """For tests of what comes before the services: both end at once, and quietly."""
        for service in SERVICES:
            self.replace(service, "raise SystemExit(1)")

    def stand_in(self) -> None:
        """For tests of what does not depend on what the services do: two that start quickly."""
        self.replace("gpu_server", GPU_SERVER_STAND_IN)
        self.replace("backend", BACKEND_STAND_IN)

    def calls(self, tool: str) -> list[list[str]]:
        """What `pip` or `venv` was called with so far."""
        path = self.record / f"{tool}-calls"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]

    def installs(self) -> int:
        """How often requirements were installed so far."""
        return sum(call[0] == "install" for call in self.calls("pip"))

    def processes(self) -> list[int]:
        """All that runs inside the workspace."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                folder = (process / "cwd").readlink()
            except OSError:
                continue
            if folder.is_relative_to(self.path) and is_alive(int(process.name)):
                found.append(int(process.name))
        return found

    def kill(self, service: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends a service by its PID file, and waits until it is gone."""
        pid = self.pid(service)
        os.kill(pid, how)
        wait_until(lambda: not is_alive(pid), f"{service} is gone")

    def clean_up(self) -> None:
        """Ends everything that was started in the workspace."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: not self.processes(), "the workspace is quiet")


LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[(INFO|WARN|ERROR)\] .+")


def lines_with(text: str, level: str) -> list[str]:
    """The texts of one level's lines."""
    return [line.partition(f"[{level}] ")[2] for line in text.splitlines() if f"[{level}]" in line]
