"""The real programs, as an operator starts them: real processes, real ports, real signals."""

import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests import plain_http
from tests.checkout import clean_environment
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 45.0
"""Seconds. Only a broken program meets it."""


def eventually(check: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """The first true value of `check`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.02)
    return value


@dataclass
class Program:
    """One program on a port of its own, which it keeps over restarts.

    `ready` is the path that answers 200 once it has started; empty for one that answers nothing.
    """

    command: list[str]
    folder: Path
    port: int
    log: Path
    ready: str
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    authority: Path | None = None
    """Whose certificate it shows; None: it speaks plain HTTP."""

    @property
    def url(self) -> str:
        return f"http{'s' if self.authority else ''}://127.0.0.1:{self.port}"

    @property
    def verify(self) -> ssl.SSLContext | bool:
        """What its clients believe; plain HTTP needs none of it, and it takes a while to read."""
        return ssl.create_default_context(cafile=self.authority) if self.authority else False

    @property
    def whole_environment(self) -> dict[str, str]:
        """Its own, with what it gets from us."""
        return {**clean_environment(), **self.environment}

    @property
    def name(self) -> str:
        return self.log.stem

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        eventually(self.answers)

    def launch(self) -> None:
        """Start it, without waiting for it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.whole_environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        if not self.ready:
            return True
        try:
            reply = httpx.get(self.url + self.ready, trust_env=False, verify=self.verify)
            return reply.status_code == 200
        except httpx.TransportError:
            return False

    def signal(self, number: int) -> int:
        """Send a signal, and return the exit status that it leads to."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def status(self) -> int | None:
        """What it ended with; None while it runs, and before."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        if self.runs:
            self.signal(signal.SIGKILL)

    def resident_megabytes(self) -> float:
        """VmRSS, as the README's figure is measured."""
        return self._megabytes("VmRSS:")

    def peak_megabytes(self) -> float:
        """VmHWM: the most that it ever had resident."""
        return self._megabytes("VmHWM:")

    def _megabytes(self, name: str) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(each for each in status.splitlines() if each.startswith(name))
        return int(line.split()[1]) / 1024


@dataclass
class Pair:
    """A backend and a GPU service that know each other, and a ComfyUI port."""

    backend: Program
    gpu_server: Program
    comfyui: Program

    def generate(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        url = f"{self.backend.url}/generate"
        return plain_http.post(url, json=body, headers=headers, timeout=60)

    def task(self, task_id: str) -> dict[str, Any]:
        reply = plain_http.get(f"{self.backend.url}/tasks/{task_id}")
        assert reply.status_code == 200
        answer: dict[str, Any] = reply.json()
        return answer

    def ended(self, task_id: str) -> dict[str, Any]:
        """The task, once it is done or failed."""
        eventually(lambda: self.task(task_id)["status"] in ("done", "failed"))
        return self.task(task_id)


@contextmanager
def pair(folder: Path, *, engine: str = "stub", comfyui: tuple[str, ...] = ()) -> Iterator[Pair]:
    """The three programs, none started; whatever runs at the end is killed."""
    backend_port, gpu_port, comfyui_port = free_port(), free_port(), free_port()
    programs = Pair(
        backend=Program(
            [sys.executable, "-m", "uvicorn", "main:app", "--port", str(backend_port)],
            ROOT / "backend",
            backend_port,
            folder / "backend.log",
            "/health",
            {
                "GPU_SERVICE_URL": f"http://127.0.0.1:{gpu_port}",
                "DATA_PATH": str(folder / "data"),
            },
        ),
        gpu_server=Program(
            [sys.executable, "server.py"],
            ROOT / "gpu_server",
            gpu_port,
            folder / "gpu_server.log",
            "/health",
            {
                "GPU_SERVER_HOST": "127.0.0.1",
                "GPU_SERVER_PORT": str(gpu_port),
                "COMFYUI_API_URL": f"http://127.0.0.1:{comfyui_port}",
                "WORKFLOWS_PATH": str(ROOT / "gpu_server" / "workflows"),
                "OBJECT_INFO_PATH": str(folder / "object_info.json"),
                "GENERATION_ENGINE": engine,
            },
        ),
        comfyui=Program(
            [sys.executable, "-m", "tests.fake_comfyui", "--port", str(comfyui_port), *comfyui],
            ROOT,
            comfyui_port,
            folder / "comfyui.log",
            "/system_stats",
        ),
    )
    with ExitStack() as stack:
        for program in (programs.backend, programs.gpu_server, programs.comfyui):
            stack.callback(program.stop)
        yield programs
