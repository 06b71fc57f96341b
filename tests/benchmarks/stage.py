"""The programs of the benchmark of accepts, and the ways in which they are stopped."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import plain_http
from tests.acceptance.processes import ROOT, Program, eventually
from tests.ports import free_port

ELSEWHERE = "elsewhere"
"""The workflow that only the second GPU service has."""
SHIPPED = ROOT / "gpu_server" / "workflows"


@dataclass
class Stage:
    """A bare route; a backend with two GPU services, of which the first has what is shipped."""

    data: Path
    bare: Program
    backend: Program
    comfyuis: tuple[Program, Program]
    gpu_servers: tuple[Program, Program]

    def start(self) -> None:
        """All that stays: the backend comes and goes."""
        for program in (self.bare, *self.comfyuis, *self.gpu_servers):
            program.start()

    @contextmanager
    def backend_on(self, template: Path) -> Iterator[str]:
        """The URL of a backend with a copy of these data, which knows all modes.

        The second GPU service stands still meanwhile, with as many jobs as it takes.
        """
        shutil.copytree(template, self.data)
        try:
            self.backend.start()
            eventually(self._knows_all_modes)
            with stopped(self.gpu_servers[1]):
                yield self.backend.url
                self.backend.stop()
        finally:
            self.backend.stop()
            shutil.rmtree(self.data)

    def _knows_all_modes(self) -> bool:
        modes = plain_http.get(f"{self.backend.url}/modes").json()["modes"]
        return {"free", "selftest", ELSEWHERE} <= {each["mode"] for each in modes}


@contextmanager
def stopped(program: Program) -> Iterator[None]:
    """It neither works nor answers meanwhile."""
    assert program.process is not None
    program.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        program.process.send_signal(signal.SIGCONT)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """None started; whatever runs at the end is killed."""
    workflows = folder / "workflows"
    workflows.mkdir()
    shutil.copy(SHIPPED / "selftest.json", workflows / f"{ELSEWHERE}.json")
    fake = "-m", "tests.fake_comfyui"
    comfyuis = (
        _program("comfyui", folder, ROOT, "/system_stats", *fake),
        _program("comfyui_2", folder, ROOT, "/system_stats", *fake, "--job-seconds", "1"),
    )
    first = _gpu_server("gpu_server", folder, comfyuis[0].url, SHIPPED)
    second = _gpu_server("gpu_server_2", folder, comfyuis[1].url, workflows)
    data = folder / "data"
    backend = _program("backend", folder, ROOT / "backend", "/health", "-m", "uvicorn", "main:app")
    backend.environment = {
        "GPU_SERVICE_URL": f"{first.url},{second.url}",
        "DATA_PATH": str(data),
        "MAX_QUEUED_TASKS": "1000000",
        "MIN_FREE_MB": "0",
    }
    bare = _program("bare", folder, ROOT, "/health", "-m", "uvicorn", "tests.benchmarks.bare:app")
    staged = Stage(data, bare, backend, comfyuis, (first, second))
    try:
        yield staged
    finally:
        for program in (backend, first, second, *comfyuis, bare):
            program.stop()


def _program(name: str, folder: Path, home: Path, ready: str, *command: str) -> Program:
    port = free_port()
    return Program(
        [sys.executable, *command, "--port", str(port)], home, port, folder / f"{name}.log", ready
    )


def _gpu_server(name: str, folder: Path, comfyui: str, workflows: Path) -> Program:
    port = free_port()
    environment = {
        "GPU_SERVER_HOST": "127.0.0.1",
        "GPU_SERVER_PORT": str(port),
        "COMFYUI_API_URL": comfyui,
        "WORKFLOWS_PATH": str(workflows),
        "OBJECT_INFO_PATH": str(folder / f"{name}.json"),
        "GENERATION_ENGINE": "comfyui",
    }
    return Program(
        [sys.executable, "server.py"],
        ROOT / "gpu_server",
        port,
        folder / f"{name}.log",
        "/health",
        environment,
    )
