"""The programs behind the page."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import plain_http
from tests.acceptance.processes import ROOT, Pair, Program, eventually, pair
from tests.ports import free_port

SHIPPED = ROOT / "gpu_server" / "workflows"
HOSTILE = "<img src=x onerror=alert(1)>"
"""What must only ever be text; a model's name, a workflow's title and description hold it."""
MODELS = ("sd_xl_base_1.0.safetensors", "random-sd15.safetensors", f"{HOSTILE}.safetensors")
ABSENT = "dreamshaper_8.safetensors"
"""The model that the workflow `portrait` needs, and that is not there."""
ABSENT_NODE = "AddFilmGrain"
"""The class of node that the workflow `film` needs, and that is not there."""
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
        reply = plain_http.request(method, self.url + path, timeout=30, **how)
        assert reply.status_code < 400, reply.text
        return reply.json()

    def fault(self, *settings: str) -> None:
        """Have ComfyUI misbehave so, until the end of the test."""
        self._control({"set": list(settings)})

    def cure(self) -> None:
        """End all of that."""
        self._control({"clear": "all"})

    def settle(self) -> None:
        """Leave nothing for the next test: all programs run, no faults, no task waits or runs."""
        self.cure()
        if not self.programs.backend.runs:
            self.programs.backend.start()
        eventually(self._nothing_is_left)

    def _nothing_is_left(self) -> bool:
        tasks = self.ask("GET", "/tasks", params=UNENDED)["tasks"]
        for task in tasks:
            self.ask("DELETE", f"/tasks/{task['task_id']}")
        return not tasks

    def newest(self) -> dict[str, Any]:
        """The task that came last."""
        task: dict[str, Any] = self.ask("GET", f"/tasks/{self.newest_id()}")
        return task

    def newest_id(self) -> str | None:
        """Of the task that came last, if any did."""
        tasks = self.ask("GET", "/tasks", params={"limit": 1})["tasks"]
        return str(tasks[0]["task_id"]) if tasks else None

    def ended(self, task_id: str | None) -> dict[str, Any]:
        """A task, once it is done or failed."""
        assert task_id is not None
        return self.programs.ended(task_id)

    @property
    def comfyui_is_idle(self) -> bool:
        """Whether nothing runs or waits in it."""
        queue = plain_http.get(f"{self.programs.comfyui.url}/queue").json()
        return not queue["queue_running"] and not queue["queue_pending"]

    def comfyui_uploads(self) -> list[bytes]:
        """Each picture that ComfyUI was sent."""
        url = self.programs.comfyui.url
        sent = plain_http.get(f"{url}/fake/state").json()["uploads"]
        return [
            plain_http.get(f"{url}/view", params=each).raise_for_status().content for each in sent
        ]

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
        plain_http.post(url, json=body).raise_for_status()


def knows_modes(url: str) -> bool:
    """Whether a backend has heard from its GPU service."""
    return bool(plain_http.get(f"{url}/modes").json()["modes"])


def workflows(folder: Path) -> Path:
    """The shipped ones, one whose model is missing, and one of whose nodes is."""
    made = folder / "workflows"
    shutil.copytree(SHIPPED, made, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    portrait, film = _read("free_generation.json"), _read("free_generation.json")
    for node in portrait.values():
        if "ckpt_name" in node["inputs"]:
            node["inputs"]["ckpt_name"] = ABSENT
    for node in [each for each in film.values() if each["class_type"] == "SaveImage"]:
        film["99"] = {"class_type": ABSENT_NODE, "inputs": {"image": node["inputs"]["images"]}}
        node["inputs"]["images"] = ["99", 0]
    written = {
        "portrait.json": portrait,
        "portrait.params.json": {
            "title": f"Portrait {HOSTILE}",
            "description": f"Faces {HOSTILE} in soft light.",
        },
        "film.json": film,
        "film.params.json": {"title": "Film"},
    }
    for name, content in written.items():
        (made / name).write_text(json.dumps(content))
    return made


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SHIPPED / name).read_text())
    return content


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """One at work, whose modes are known."""
    with pair(folder, engine="comfyui", comfyui=("--models", *MODELS)) as programs:
        programs.gpu_server.environment["WORKFLOWS_PATH"] = str(workflows(folder))
        all_three = (programs.comfyui, programs.gpu_server, programs.backend)
        for program in all_three:
            program.launch()
        for program in all_three:
            eventually(program.answers)
        eventually(lambda: knows_modes(programs.backend.url))
        yield Gateway(programs, folder)
