"""SIGKILL at every point of a task's way: nothing accepted is lost, nothing is done twice."""

import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests import plain_http
from tests.acceptance.killing import POINTS
from tests.acceptance.processes import DEADLINE, ROOT, Pair, Program, eventually, pair

BODY = {"mode": "selftest", "extra_params": {"width": 64, "height": 64}}
UVICORN = [sys.executable, "-m", "uvicorn", "--factory"]
KEY = {"Idempotency-Key": "the one"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A GPU service and its ComfyUI, which all points share."""
    with pair(tmp_path_factory.mktemp("pair"), engine="comfyui") as programs:
        programs.comfyui.start()
        programs.gpu_server.start()
        yield programs


@pytest.fixture
def backend(programs: Pair, tmp_path: Path, point: str) -> Iterator[Program]:
    """A backend on a data folder of its own, which kills itself at the point."""
    port = str(programs.backend.port)
    backend = replace(
        programs.backend,
        command=[*UVICORN, f"{__package__}.killing:app", "--port", port],
        folder=ROOT,
        log=tmp_path / "backend.log",
        environment={
            **programs.backend.environment,
            "DATA_PATH": str(tmp_path / "data"),
            "KILL_AT": point,
            "KILLED": str(tmp_path / "killed"),
        },
        process=None,
    )
    backend.start()
    yield backend
    backend.stop()


def send(backend: Program) -> str | None:
    """The id of the task, or None where the backend died over it."""
    try:
        reply = plain_http.post(f"{backend.url}/generate", json=BODY, headers=KEY)
    except httpx.TransportError:
        return None
    assert reply.status_code == 200
    return str(reply.json()["task_id"])


def executions(programs: Pair) -> int:
    """How many prompts ComfyUI has finished."""
    history = plain_http.get(f"{programs.comfyui.url}/history").json()
    return len(history)


@pytest.mark.parametrize("point", POINTS)
def test_task_is_done_once_whatever_was_killed(
    programs: Pair, backend: Program, point: str, tmp_path: Path
) -> None:
    before = executions(programs)
    first = send(backend)
    assert backend.process is not None
    assert backend.process.wait(DEADLINE) == -signal.SIGKILL
    backend.start()
    second = send(backend)  # As a careful client does: with the same key.
    assert second == first if first else second is not None
    url = f"{backend.url}/tasks/{second}"
    eventually(lambda: plain_http.get(url).json()["status"] == "done")
    task = plain_http.get(url).json()
    assert task["image"] is not None
    assert executions(programs) - before == 1
    assert backend.signal(signal.SIGTERM) == 0
    with closing(sqlite3.connect(tmp_path / "data" / "tasks.sqlite3")) as db:
        states = [state for (state,) in db.execute("SELECT state FROM task_events ORDER BY seq")]
        tasks = db.execute("SELECT id, outputs FROM tasks").fetchall()
    assert states.count("done") == 1
    [(task_id, outputs)] = tasks
    kept = [each["file"] for each in json.loads(outputs)]
    assert sorted(each.name for each in (tmp_path / "data/outputs" / task_id).iterdir()) == kept
