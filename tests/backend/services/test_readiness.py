"""Whether a backend is to be sent requests."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from backend.errors import StorageUnavailable
from backend.schemas.response_probe import Finding
from backend.services.gpu_services import GPUServices
from backend.services.readiness import (
    Check,
    Readiness,
    gpu_service_answers,
    has_room,
    still_works,
    store_answers,
)
from backend.services.room import Room
from backend.store.sqlite.store import SQLiteTaskStore
from tests.backend.gpu_service import GPUService


@dataclass
class Engine:
    alive: bool


class AwayStore(SQLiteTaskStore):
    async def queued(self) -> int:
        raise StorageUnavailable("The task database cannot be used.")


async def fine() -> None: ...


async def wrong() -> str:
    return "Something is wrong."


async def silent() -> str | None:
    await asyncio.Event().wait()
    return None


async def broken() -> str | None:
    raise ValueError("a slip")


async def reasons(check: Check) -> list[str]:
    """What this check makes of it."""
    return [each.detail for each in (await Readiness({"it": check}).look()).reasons]


async def test_is_ready_where_nothing_is_wrong() -> None:
    readiness = await Readiness({"one": fine, "other": fine}).look()
    assert (readiness.status, readiness.reasons, readiness.notes) == ("ready", [], [])


async def test_what_is_wrong_makes_it_unready_under_its_name() -> None:
    readiness = await Readiness({"one": fine, "other": wrong}).look()
    assert readiness.status == "not_ready"
    assert readiness.reasons == [Finding(check="other", detail="Something is wrong.")]


async def test_all_that_is_wrong_is_told() -> None:
    readiness = await Readiness({"one": wrong, "other": wrong}).look()
    assert [each.check for each in readiness.reasons] == ["one", "other"]


async def test_note_leaves_it_ready() -> None:
    readiness = await Readiness({"one": fine}, {"other": wrong}).look()
    assert (readiness.status, readiness.reasons) == ("ready", [])
    assert readiness.notes == [Finding(check="other", detail="Something is wrong.")]


async def test_draining_makes_it_unready() -> None:
    readiness = Readiness({"one": fine})
    readiness.drain()
    seen = await readiness.look()
    assert (seen.status, [each.check for each in seen.reasons]) == ("not_ready", ["draining"])


async def test_check_without_an_answer_is_a_reason() -> None:
    readiness = await Readiness({"it": silent}, check_seconds=0.01).look()
    assert [each.detail for each in readiness.reasons] == ["No answer within 0.01 s."]


async def test_note_without_an_answer_is_a_note() -> None:
    readiness = await Readiness({}, {"it": silent}, note_seconds=0.01).look()
    assert readiness.status == "ready"
    assert [each.detail for each in readiness.notes] == ["No answer within 0.01 s."]


async def test_check_with_a_bug_is_a_reason_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    [detail] = await reasons(broken)
    assert "a slip" not in detail
    assert "a slip" in caplog.text


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
