"""A backend that kills itself at a named point, once.

    KILL_AT=after_claim KILLED=marker-file uvicorn --factory tests.acceptance.killing:app

Real code all through: only between two of its steps the process gets a SIGKILL.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from backend.access import UNBOUNDED, Bounds
from backend.config import Settings, get_settings
from backend.main import create_app
from backend.store.opening import Stores
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.keys import SQLiteKeyStore
from backend.store.sqlite.store import SQLiteTaskStore
from backend.store.task_store import Serves
from backend.tasks import Claim, Outcome, Output, Task, TaskState

POINTS = (
    "before_commit",
    "after_commit",
    "after_claim",
    "after_submit",
    "after_output",
    "before_finish",
    "after_finish",
)


def reached(point: str) -> None:
    """End here and now, where this is the point, and it has not happened before."""
    marker = Path(os.environ["KILLED"])
    if os.environ["KILL_AT"] == point and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class KillingStore(SQLiteTaskStore):
    """Between the store's steps."""

    async def add(
        self, task: Task, params: Mapping[str, Any], bounds: Bounds = UNBOUNDED
    ) -> tuple[Task, bool]:
        reached("before_commit")
        added = await super().add(task, params, bounds)
        reached("after_commit")
        return added

    async def claim(self, now: float, job_id: str, service: str, serves: Serves) -> Claim | None:
        claim = await super().claim(now, job_id, service, serves)
        if claim is not None:
            reached("after_claim")
        return claim

    async def get(self, task_id: str) -> Task | None:
        task = await super().get(task_id)
        if task is not None and task.state is TaskState.RUNNING:
            reached("after_submit")  # Asked when the GPU service has taken the job.
        return task

    async def finish(self, task: Task, outcome: Outcome, now: float) -> bool:
        reached("before_finish")
        counted = await super().finish(task, outcome, now)
        reached("after_finish")
        return counted


class KillingOutputs(LocalOutputStore):
    """Between an output and the next step."""

    async def save(self, task_id: str, name: str, data: bytes, content_type: str) -> Output:
        output = await super().save(task_id, name, data, content_type)
        reached("after_output")
        return output


def _stores(settings: Settings, *, worker: bool) -> Stores:
    folder = settings.data_path
    tasks, keys = KillingStore(folder), SQLiteKeyStore(folder)
    return Stores(tasks, KillingOutputs(folder / "outputs"), keys, tasks)


def app() -> FastAPI:
    """The backend with these stores."""
    return create_app(get_settings(), _stores)
