"""The programs behind the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.processes import Pair, Program, eventually, free_port, pair

UNENDED = {"status": ["queued", "running"], "limit": 100}


@dataclass
class Gateway:
    """A pair at work over a fake ComfyUI, which draws at once unless told otherwise."""

    programs: Pair
    folder: Path

    @property
    def url(self) -> str:
        return self.programs.backend.url

    def ask(self, method: str, path: str, **how: Any) -> Any:
        """What the backend answers, which is no error."""
        reply = httpx.request(method, self.url + path, timeout=30, trust_env=False, **how)
        assert reply.status_code < 400, reply.text
        return reply.json()

    def fault(self, *settings: str) -> None:
        """Have ComfyUI misbehave so, until the end of the test."""
        self._control({"set": list(settings)})

    def cure(self) -> None:
        """End all of that."""
        self._control({"clear": "all"})

    def settle(self) -> None:
        """Leave nothing for the next test: no faults, no tasks that wait or run."""
        self.cure()
        for task in self.ask("GET", "/tasks", params=UNENDED)["tasks"]:
            self.ask("DELETE", f"/tasks/{task['task_id']}")
        eventually(lambda: not self.ask("GET", "/tasks", params=UNENDED)["tasks"])

    def newest(self) -> dict[str, Any]:
        """The task that came last."""
        task: dict[str, Any] = self.ask("GET", "/tasks", params={"limit": 1})["tasks"][0]
        return task

    def beside(self, name: str, **environment: str) -> Program:
        """Another backend with data of its own over the same GPU service; not started yet."""
        first = self.programs.backend
        port = free_port()
        return Program(
            [*first.command[:-1], str(port)],
            first.folder,
            port,
            self.folder / f"{name}.log",
            first.ready,
            {**first.environment, "DATA_PATH": str(self.folder / name), **environment},
        )

    def _control(self, body: dict[str, list[str] | str]) -> None:
        url = f"{self.programs.comfyui.url}/fake/faults"
        httpx.post(url, json=body, trust_env=False).raise_for_status()


def knows_modes(url: str) -> bool:
    """Whether a backend has heard from its GPU service."""
    return bool(httpx.get(f"{url}/modes", trust_env=False).json()["modes"])


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """One at work, whose modes are known."""
    with pair(folder, engine="comfyui") as programs:
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            program.launch()
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            eventually(program.answers)
        eventually(lambda: knows_modes(programs.backend.url))
        yield Gateway(programs, folder)
