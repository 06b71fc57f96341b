"""What one process hears of another through PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.making import claimed, queued
from tests.backend.store.stores import opened
from tests.conditions import eventually
from tests.postgresql_server import PostgreSQLServer

PICTURE = b"\xff" * 20_000


class Ear:
    """What has been heard."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.gaps = 0

    def missed(self) -> None:
        self.gaps += 1


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[PostgreSQLTaskStore]:
    """The store of the process that runs tasks."""
    async with opened(PostgreSQLTaskStore(database_url, worker=True)) as store:
        yield store


@pytest.fixture
async def backend(database_url: str) -> AsyncIterator[PostgreSQLTaskStore]:
    """The store of the process that listens."""
    async with opened(PostgreSQLTaskStore(database_url, worker=False)) as store:
        yield store


@pytest.fixture
async def ear(backend: PostgreSQLTaskStore) -> Ear:
    """What the backend hears, from now on."""
    ear = Ear()
    backend.listen(ear.payloads.append, ear.missed)
    await eventually(lambda: ear.gaps)
    return ear


async def test_every_change_of_state_is_heard_in_order(
    worker: PostgreSQLTaskStore, ear: Ear
) -> None:
    await queued(worker)
    await worker.finish(await claimed(worker), Outcome(TaskState.DONE), 2500.0)
    await eventually(lambda: len(ear.payloads) == 3)
    events = await worker.events("t1")
    assert [(heard["task_id"], heard["seq"], heard["state"]) for heard in ear.payloads] == [
        ("t1", event.seq, event.state.value) for event in events
    ]


async def test_progress_is_heard(worker: PostgreSQLTaskStore, ear: Ear) -> None:
    await worker.notify_live("t1", {"value": 0.5, "node": "ü"})
    await eventually(lambda: ear.payloads)
    assert ear.payloads == [{"task_id": "t1", "value": 0.5, "node": "ü"}]


async def test_progress_that_is_too_long_is_dropped(worker: PostgreSQLTaskStore, ear: Ear) -> None:
    await worker.notify_live("t1", {"node": "n" * 9000})
    await worker.notify_live("t1", {"value": 1.0})
    await eventually(lambda: ear.payloads)
    assert ear.payloads == [{"task_id": "t1", "value": 1.0}]


async def test_preview_of_any_size_is_announced_and_read(
    worker: PostgreSQLTaskStore, backend: PostgreSQLTaskStore, ear: Ear
) -> None:
    await queued(worker)
    await claimed(worker)
    await worker.put_preview("t1", "image/jpeg", b"first")
    await worker.put_preview("t1", "image/png", PICTURE)
    await eventually(lambda: sum("preview" in heard for heard in ear.payloads) == 2)
    preview = await backend.preview("t1")
    assert preview is not None
    assert (preview.content_type, preview.image) == ("image/png", PICTURE)
    assert ear.payloads[-1] == {"task_id": "t1", "preview": preview.seq}


async def test_preview_goes_when_the_task_ends(worker: PostgreSQLTaskStore) -> None:
    await queued(worker)
    task = await claimed(worker)
    await worker.put_preview("t1", "image/png", PICTURE)
    await worker.finish(task, Outcome(TaskState.DONE), 2500.0)
    assert await worker.preview("t1") is None


async def test_preview_that_comes_after_the_end_is_not_kept(worker: PostgreSQLTaskStore) -> None:
    await queued(worker)
    await worker.cancel("t1", 2500.0)
    await worker.put_preview("t1", "image/png", PICTURE)
    assert await worker.preview("t1") is None


async def test_listener_says_that_it_may_have_missed_something(
    worker: PostgreSQLTaskStore, ear: Ear, postgresql: PostgreSQLServer
) -> None:
    gaps = ear.gaps
    postgresql.restart()
    await eventually(lambda: ear.gaps > gaps, seconds=10)
    await queued(worker)
    await eventually(lambda: ear.payloads)
