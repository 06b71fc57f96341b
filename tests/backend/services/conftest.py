"""What the services' tests stand on."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.clients.gpu_client import GPUClient
from backend.services.attempt import AttemptRunner
from backend.services.gpu_services import GPUService, GPUServices
from backend.services.live import LiveHub
from backend.services.worker import TaskWorker
from backend.store.outputs.local import LocalOutputStore
from backend.store.sqlite.store import SQLiteTaskStore
from tests import plain_http
from tests.backend.gpu_service import GPU_URL, OTHER_URL
from tests.backend.gpu_service import GPUService as FakeGPUService
from tests.backend.services.working import QUICK, BothWorking, FullDisk, MakeRunner, Working


@pytest.fixture
def live() -> LiveHub:
    return LiveHub()


@pytest.fixture
def service(gpu_client: GPUClient) -> GPUService:
    """The GPU service, as the backend knows it."""
    return GPUService(gpu_client)


@pytest.fixture
def services(service: GPUService) -> GPUServices:
    """It alone."""
    return GPUServices([service])


@pytest.fixture
async def two(other_gpu: FakeGPUService) -> AsyncIterator[GPUServices]:
    """It, and a second one."""
    async with plain_http.AsyncClient() as http:
        yield GPUServices([GPUService(GPUClient(http, url)) for url in (GPU_URL, OTHER_URL)])


@pytest.fixture
def make_runner(gpu_client: GPUClient, outputs: LocalOutputStore, live: LiveHub) -> MakeRunner:
    """Of attempts with this timeout, in seconds."""
    return lambda timeout: AttemptRunner(gpu_client, outputs, live, timeout)


@pytest.fixture
def runner(make_runner: MakeRunner) -> AttemptRunner:
    return make_runner(180)


@pytest.fixture
def full_disk() -> FullDisk:
    return FullDisk()


@pytest.fixture
def full_runner(
    gpu_client: GPUClient, live: LiveHub, full_disk: FullDisk, tmp_path: Path
) -> AttemptRunner:
    """Of attempts whose outputs go to that disk."""
    outputs = LocalOutputStore(tmp_path / "full" / "outputs", full_disk.fsync)
    return AttemptRunner(gpu_client, outputs, live, 180)


@pytest.fixture
def working(
    store: SQLiteTaskStore,
    runner: AttemptRunner,
    services: GPUServices,
    service: GPUService,
    live: LiveHub,
) -> Working:
    """A worker at work: `async with working():`."""

    @asynccontextmanager
    async def enter(
        store: SQLiteTaskStore = store, runner: AttemptRunner = runner, **options: Any
    ) -> AsyncIterator[TaskWorker]:
        options = {"slots": 1, "max_attempts": 5, "pace": QUICK, **options}
        async with TaskWorker(store, services, service, runner, live, **options) as worker:
            yield worker

    return enter


@pytest.fixture
def both_working(
    store: SQLiteTaskStore, two: GPUServices, outputs: LocalOutputStore, live: LiveHub
) -> BothWorking:
    """A worker for each of the two GPU services: `async with both_working():`."""

    @asynccontextmanager
    async def enter(known: bool = True, **options: Any) -> AsyncIterator[list[TaskWorker]]:
        options = {"slots": 1, "max_attempts": 5, "pace": QUICK, **options}
        if known:
            await two.refresh()
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    TaskWorker(
                        store,
                        two,
                        each,
                        AttemptRunner(each.client, outputs, live, 180),
                        live,
                        **options,
                    )
                )
                for each in two
            ]

    return enter
