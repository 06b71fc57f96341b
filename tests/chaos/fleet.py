"""The real programs that a chaos run starts, kills and starts again."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.acceptance.processes import ROOT, Program, eventually
from tests.ports import free_port
from tests.postgresql_server import PostgreSQLServer, postgresql_server


class Victim(Protocol):
    """What can be killed without a warning, and started again."""

    @property
    def name(self) -> str:
        """What the report calls it."""

    @property
    def runs(self) -> bool:
        """Whether it is there."""

    @property
    def status(self) -> int | None:
        """The exit status of one that has ended."""

    def stop(self) -> None:
        """SIGKILL, or what comes nearest."""

    def launch(self) -> None:
        """Start it, without waiting for it."""


class Database:
    """The PostgreSQL server, which loses its power."""

    name = "postgresql"
    status = None

    def __init__(self, server: PostgreSQLServer) -> None:
        self.url = server.new_database("chaos")
        self._server = server

    @property
    def runs(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._server.port)) == 0

    def stop(self) -> None:
        self._server.stop("immediate")

    def launch(self) -> None:
        self._server.start()


@dataclass
class Fleet:
    """All of them, each with its log in `folder`."""

    folder: Path
    database: Database | None = None
    """None where the backend has the embedded store."""
    backends: list[Program] = field(default_factory=list)
    gpu_servers: list[Program] = field(default_factory=list)
    comfyuis: list[Program] = field(default_factory=list)
    workers: list[Program] = field(default_factory=list)

    @property
    def programs(self) -> list[Program]:
        """In the order in which they are started."""
        return [*self.comfyuis, *self.gpu_servers, *self.backends, *self.workers]

    @property
    def victims(self) -> list[Victim]:
        return [*self.programs, *([self.database] if self.database else [])]

    @property
    def urls(self) -> list[str]:
        """Where clients may ask."""
        return [each.url for each in self.backends]

    @property
    def data(self) -> Path:
        """The data folder of all backends and workers."""
        return self.folder / "data"

    def gpu_server_of(self, comfyui: str) -> str:
        """The name of the GPU service that drives the ComfyUI of this name."""
        names = [each.name for each in self.comfyuis]
        return self.gpu_servers[names.index(comfyui)].name

    def executions(self, comfyui: Program) -> Path:
        """Where a ComfyUI writes down what it runs."""
        return self.folder / f"{comfyui.name}.executions"

    def start(self) -> None:
        """All at once, as after a power cut; returns when each answers."""
        for program in self.programs:
            program.launch()
        for program in self.programs:
            eventually(program.answers)

    def logged(self, *words: str) -> list[str]:
        """The lines of all logs that have any of these words, each with its program's name."""
        return [
            f"{program.name}: {line}"
            for program in self.programs
            for line in program.log.read_text(errors="replace").splitlines()
            if any(word in line for word in words)
        ]


@contextmanager
def embedded_fleet(folder: Path, job_seconds: float) -> Iterator[Fleet]:
    """One of each, none started; whatever runs at the end is killed."""
    fleet = Fleet(folder)
    _add_gpu(fleet, job_seconds)
    _add_backend(fleet)
    with _killed_at_the_end(fleet):
        yield fleet


@contextmanager
def postgresql_fleet(folder: Path, job_seconds: float) -> Iterator[Fleet]:
    """Two of each and a PostgreSQL server, which runs; the programs are not started."""
    with postgresql_server() as server:
        fleet = Fleet(folder, database := Database(server))
        for _ in range(2):
            _add_gpu(fleet, job_seconds)
        for gpu_server in fleet.gpu_servers:
            _add_backend(fleet)
            _add_worker(fleet, gpu_server)
        try:
            with _killed_at_the_end(fleet):
                yield fleet
        finally:
            if not database.runs:
                database.launch()  # So that it can be stopped.


@contextmanager
def _killed_at_the_end(fleet: Fleet) -> Iterator[None]:
    with ExitStack() as stack:
        for program in fleet.programs:
            stack.callback(program.stop)
        yield


def _add_gpu(fleet: Fleet, job_seconds: float) -> None:
    """A GPU service and its ComfyUI."""
    number = len(fleet.gpu_servers) + 1
    comfyui_port, gpu_port = free_port(), free_port()
    folder, name = fleet.folder, f"comfyui-{number}"
    comfyui = Program(
        [sys.executable, "-m", "tests.fake_comfyui", "--port", str(comfyui_port)],
        ROOT,
        comfyui_port,
        folder / f"{name}.log",
        "/system_stats",
        {"TMPDIR": str(folder)},  # What a killed one leaves behind goes with the folder.
    )
    comfyui.command += ["--job-seconds", str(job_seconds), "--output-dir", str(folder / name)]
    comfyui.command += ["--executions", str(fleet.executions(comfyui))]
    gpu_server = Program(
        [sys.executable, "server.py"],
        ROOT / "gpu_server",
        gpu_port,
        folder / f"gpu_server-{number}.log",
        "/health",
        {
            "GPU_SERVER_HOST": "127.0.0.1",
            "GPU_SERVER_PORT": str(gpu_port),
            "COMFYUI_API_URL": comfyui.url,
            "WORKFLOWS_PATH": str(ROOT / "gpu_server" / "workflows"),
            "OBJECT_INFO_PATH": str(folder / f"object_info-{number}.json"),
            "GENERATION_ENGINE": "comfyui",
        },
    )
    fleet.comfyuis.append(comfyui)
    fleet.gpu_servers.append(gpu_server)


def _add_backend(fleet: Fleet) -> None:
    number, port = len(fleet.backends) + 1, free_port()
    fleet.backends.append(
        Program(
            [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)],
            ROOT / "backend",
            port,
            fleet.folder / f"backend-{number}.log",
            "/health",
            _settings(fleet),
        )
    )


def _add_worker(fleet: Fleet, gpu_server: Program) -> None:
    number = len(fleet.workers) + 1
    fleet.workers.append(
        Program(
            [sys.executable, "-m", "backend.worker", "--gpu-service", gpu_server.url],
            ROOT,
            port=0,
            log=fleet.folder / f"worker-{number}.log",
            ready="",
            environment=_settings(fleet),
        )
    )


def _settings(fleet: Fleet) -> dict[str, str]:
    """Of a backend or a worker; both know all GPU services that were added before."""
    return {
        "GPU_SERVICE_URL": ",".join(each.url for each in fleet.gpu_servers),
        "DATA_PATH": str(fleet.data),
        "DATABASE_URL": fleet.database.url if fleet.database else "",
        "MIN_FREE_MB": "0",  # The disk of whoever runs this is not the question.
    }
