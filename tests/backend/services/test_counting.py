"""What services tell the metrics."""

from pathlib import Path

import httpx
import pytest

from backend.services.gpu_services import GPUServices
from backend.services.live import LiveHub
from backend.services.upkeep import Upkeep
from backend.store.sqlite.store import SQLiteTaskStore
from tests.backend.counting import Counted
from tests.backend.gpu_service import GPUService
from tests.backend.making import queued
from tests.backend.services.working import Working, after_a_kill, ended, problem
from tests.conditions import eventually

RETRIES, ENDED = "gateway_task_retries_total", "gateway_tasks_ended_total"


@pytest.fixture
def counted() -> Counted:
    return Counted()


async def test_worker_counts_retries_by_reason_and_its_slots(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, counted: Counted
) -> None:
    gpu.answers(problem(502), problem(503, code="no_free_slot"))
    await queued(store)
    async with working(slots=2, metrics=counted.metrics):
        await ended(store)
    seen = counted.now
    assert seen.value(RETRIES, reason="comfyui_lost_job", spent="true") == 1
    assert seen.value(RETRIES, reason="no_free_slot", spent="false") == 1
    assert seen.value(ENDED, state="done") == 1
    assert seen.value("gateway_worker_slots", gpu_service="gpu.test:8001") == 2


async def test_slot_is_busy_while_its_task_is_at_the_gpu_service(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, counted: Counted
) -> None:
    released = gpu.holds()
    await queued(store)
    async with working(slots=2, metrics=counted.metrics):
        await eventually(lambda: counted.now.value("gateway_worker_slots_busy") == 1)
        released.set()
        await ended(store)
        await eventually(lambda: counted.now.value("gateway_worker_slots_busy") == 0)


async def test_upkeep_counts_what_it_ends(
    store: SQLiteTaskStore, gpu: GPUService, services: GPUServices, live: LiveHub, counted: Counted
) -> None:
    await queued(store, deadline=1.0)
    async with Upkeep(store, services, live, max_attempts=5, metrics=counted.metrics):
        pass
    assert counted.now.value(ENDED, mode="free", state="cancelled") == 1


async def test_upkeep_counts_tasks_whose_worker_is_gone(
    tmp_path: Path, gpu: GPUService, services: GPUServices, live: LiveHub, counted: Counted
) -> None:
    async with (
        after_a_kill(tmp_path / "killed") as store,
        Upkeep(store, services, live, max_attempts=5, metrics=counted.metrics),
    ):
        pass
    assert counted.now.value(RETRIES, reason="worker_gone", spent="true") == 1


async def test_gpu_service_is_up_where_it_answers(
    gpu: GPUService, services: GPUServices, counted: Counted
) -> None:
    [service] = services
    counted.metrics.watch_service(service.url, lambda: service.answers)
    for trouble, up in ((None, 1), (httpx.ConnectError("refused"), 0)):
        gpu.workflows.side_effect = trouble
        await service.refresh()
        assert counted.now.value("gateway_gpu_service_up", gpu_service="gpu.test:8001") == up
