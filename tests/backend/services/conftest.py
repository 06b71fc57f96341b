"""What the services' tests stand on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backend.clients.gpu_client import GPUClient
from backend.services.catalogue import ModeCatalogue
from backend.services.task_ends import TaskEnds
from backend.services.worker import TaskWorker
from backend.store.outputs import OutputStore
from backend.store.sqlite import SQLiteTaskStore
from tests.backend.services.working import QUICK, Working


@pytest.fixture
def ends() -> TaskEnds:
    return TaskEnds()


@pytest.fixture
def working(
    store: SQLiteTaskStore, outputs: OutputStore, gpu_client: GPUClient, ends: TaskEnds
) -> Working:
    """A worker at work: `async with working():`."""

    @asynccontextmanager
    async def enter(store: SQLiteTaskStore = store, **options: Any) -> AsyncIterator[TaskWorker]:
        options = {"slots": 1, "max_attempts": 5, "pace": QUICK, **options}
        catalogue = ModeCatalogue(gpu_client, {})
        async with TaskWorker(store, outputs, gpu_client, catalogue, ends, **options) as worker:
            yield worker

    return enter
