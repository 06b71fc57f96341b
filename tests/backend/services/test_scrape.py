"""What Prometheus reads, when it asks."""

import asyncio
from pathlib import Path

import pytest

from backend.errors import StorageUnavailable
from backend.metrics.backend import BackendMetrics
from backend.services.readiness import Readiness
from backend.services.room import Room
from backend.services.scrape import Scrape
from backend.store.census import TaskGroup
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.exposition import Exported


class Store(SQLiteTaskStore):
    """Counts how often it is asked; does not answer, or has trouble, where the test says so."""

    asked = 0
    trouble: Exception | None = None
    silent = False

    async def census(self) -> list[TaskGroup]:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble
        return [
            TaskGroup(TaskState.QUEUED, "free", 3, 900.0),
            TaskGroup(TaskState.QUEUED, "made up", 2, 800.0),
            TaskGroup(TaskState.QUEUED, "another", 1, 950.0),
        ]


class Scraped:
    """A scrape of this store."""

    def __init__(self, folder: Path) -> None:
        metrics = BackendMetrics("1.0.0", 10)
        metrics.work.knows_mode = lambda mode: mode == "free"
        self.store = Store(folder)
        self.scrape = Scrape(
            metrics.registry,
            metrics.standing,
            Readiness({}),
            self.store,
            self.store,
            None,
            Room(folder, 1),
            ask_seconds=0.2,
            clock=lambda: 1000.0,
        )

    async def read(self) -> Exported:
        body, _ = await self.scrape.read("")
        return Exported(body.decode())


@pytest.fixture
def scraped(tmp_path: Path) -> Scraped:
    return Scraped(tmp_path)


async def test_what_waits_is_told_by_known_modes(scraped: Scraped) -> None:
    seen = await scraped.read()
    assert seen.value("gateway_store_up") == 1
    assert seen.value("gateway_store_tasks", state="queued", mode="free") == 3
    assert seen.value("gateway_store_tasks", state="queued", mode="other") == 3
    assert seen.value("gateway_store_oldest_queued_seconds", mode="free") == 100
    assert seen.value("gateway_store_oldest_queued_seconds", mode="other") == 200


async def test_however_many_ask_the_store_is_asked_once(scraped: Scraped) -> None:
    await asyncio.gather(*(scraped.read() for _ in range(10)))
    assert scraped.store.asked == 1


async def test_store_that_is_away_is_told_and_the_rest_too(scraped: Scraped) -> None:
    scraped.store.trouble = StorageUnavailable("It is away.")
    seen = await scraped.read()
    assert seen.value("gateway_store_up") == 0
    assert seen.value("gateway_store_tasks") is None
    assert seen.value("gateway_check_ok", check="draining") == 1


async def test_store_that_does_not_answer_holds_no_scrape_up(scraped: Scraped) -> None:
    scraped.store.silent = True
    seen = await asyncio.wait_for(scraped.read(), 2.0)
    assert seen.value("gateway_store_up") == 0


async def test_bug_is_logged_and_told_to_nobody(
    scraped: Scraped, caplog: pytest.LogCaptureFixture
) -> None:
    scraped.store.trouble = ValueError("a slip")
    assert (await scraped.read()).value("gateway_store_up") == 0
    assert "a slip" in caplog.text
