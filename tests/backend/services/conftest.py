"""What the services' tests stand on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backend.clients.gpu_client import GPUClient
from backend.services.attempt import AttemptRunner
from backend.services.catalogue import ModeCatalogue
from backend.services.progress import ProgressBoard
from backend.services.task_ends import TaskEnds
from backend.services.worker import TaskWorker
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from tests.backend.services.working import QUICK, MakeRunner, Working


@pytest.fixture
def ends() -> TaskEnds:
    return TaskEnds()


@pytest.fixture
def board() -> ProgressBoard:
    return ProgressBoard()


@pytest.fixture
def make_runner(gpu_client: GPUClient, outputs: OutputStore, board: ProgressBoard) -> MakeRunner:
    """Of attempts with this timeout, in seconds."""
    return lambda timeout: AttemptRunner(gpu_client, outputs, board, timeout)


@pytest.fixture
def runner(make_runner: MakeRunner) -> AttemptRunner:
    return make_runner(180)


@pytest.fixture
def working(
    store: SQLiteTaskStore, runner: AttemptRunner, gpu_client: GPUClient, ends: TaskEnds
) -> Working:
    """A worker at work: `async with working():`."""

    @asynccontextmanager
    async def enter(
        store: SQLiteTaskStore = store, runner: AttemptRunner = runner, **options: Any
    ) -> AsyncIterator[TaskWorker]:
        options = {"slots": 1, "max_attempts": 5, "pace": QUICK, **options}
        catalogue = ModeCatalogue(gpu_client, {})
        async with TaskWorker(store, runner, gpu_client, catalogue, ends, **options) as worker:
            yield worker

    return enter
