"""What is looked at to tell whether a backend is to be sent requests."""

from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backend.clients.gpu_client import GPUClient
from backend.errors import StorageUnavailable
from backend.services.checks import (
    comfyui_answers,
    gpu_service_answers,
    has_room,
    still_works,
    store_answers,
)
from backend.services.gpu_services import GPUService as KnownGPUService
from backend.services.gpu_services import GPUServices
from backend.services.readiness import Check, Readiness
from backend.services.room import Room
from backend.store.sqlite.store import SQLiteTaskStore
from tests import plain_http
from tests.backend.gpu_service import GPU_URL, GPUService


@dataclass
class Engine:
    alive: bool


class AwayStore(SQLiteTaskStore):
    async def queued(self) -> int:
        raise StorageUnavailable("The task database cannot be used.")


async def reasons(check: Check) -> list[str]:
    """What this check makes of it."""
    return [each.detail for each in (await Readiness({"it": check}).look()).reasons]


async def test_store_that_answers_is_in_order(store: SQLiteTaskStore) -> None:
    assert await reasons(store_answers(store)) == []


async def test_store_that_is_away_is_a_reason(tmp_path: Path) -> None:
    assert await reasons(store_answers(AwayStore(tmp_path))) == [
        "The task database cannot be used."
    ]


@pytest.mark.parametrize(("free", "wanted"), [(10**12, 0), (0, 1)])
async def test_disk_without_room_is_a_reason(tmp_path: Path, free: int, wanted: int) -> None:
    found = await reasons(has_room(Room(tmp_path, 500, free=lambda _: free)))
    assert len(found) == wanted


@pytest.mark.parametrize(("alive", "wanted"), [(True, 0), (False, 1)])
async def test_dead_worker_is_a_reason(alive: bool, wanted: int) -> None:
    assert len(await reasons(still_works(Engine(alive), "A worker"))) == wanted


async def test_gpu_service_that_answers_is_worth_no_note(
    gpu: GPUService, services: GPUServices
) -> None:
    assert await reasons(gpu_service_answers(services)) == []


async def test_no_gpu_service_is_told(gpu: GPUService, services: GPUServices) -> None:
    gpu.health.side_effect = httpx.ConnectError("refused")
    assert await reasons(gpu_service_answers(services)) == ["No GPU service answers: tasks wait."]


async def test_stub_needs_no_comfyui(gpu: GPUService, services: GPUServices) -> None:
    await services.refresh()
    assert await reasons(comfyui_answers(services)) == []


@pytest.mark.parametrize(("up", "wanted"), [(True, 0), (False, 1)])
async def test_comfyui_that_is_away_is_told(
    gpu: GPUService, services: GPUServices, up: bool, wanted: int
) -> None:
    gpu.has_workflows("selftest")
    gpu.health.respond(json={"status": "healthy", "comfyui_available": up})
    await services.refresh()
    found = await reasons(comfyui_answers(services))
    assert len(found) == wanted
    assert all("tasks wait" in each and "COMFYUI_API_URL" in each for each in found)


async def test_a_login_in_a_url_is_not_told() -> None:
    async with plain_http.AsyncClient() as http:
        service = KnownGPUService(GPUClient(http, GPU_URL.replace("://", "://me:pw@")))
        service.refused = True
        [found] = await reasons(gpu_service_answers(GPUServices([service])))
    assert found.startswith(f"{GPU_URL} takes no request of ours")
