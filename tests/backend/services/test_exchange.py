"""Live news between processes, over a store that passes them on."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backend.errors import StorageUnavailable
from backend.services.exchange import LiveExchange
from backend.services.live import LiveHub, LiveProgress, Preview
from backend.store.postgresql.previews import StoredPreview
from backend.store.postgresql.store import PostgreSQLTaskStore
from tests.conditions import eventually

PICTURE = base64.b64encode(b"a picture").decode()


class Wire(PostgreSQLTaskStore):
    """A database that passes news on at once, and keeps one picture."""

    def __init__(self) -> None:
        super().__init__("postgresql://nowhere/none", worker=False)
        self.sent: list[Mapping[str, Any]] = []
        self.pictures: dict[str, StoredPreview] = {}
        self.away = False
        self.refused = 0
        self._told: list[Callable[[dict[str, Any]], None]] = []
        self.missed: list[Callable[[], None]] = []

    def listen(self, heard: Callable[[dict[str, Any]], None], missed: Callable[[], None]) -> None:
        self._told.append(heard)
        self.missed.append(missed)

    def tell(self, payload: dict[str, Any]) -> None:
        for heard in self._told:
            heard(payload)

    async def notify_live(self, task_id: str, payload: Mapping[str, Any]) -> None:
        if self.away:
            self.refused += 1
            raise StorageUnavailable("away")
        self.sent.append(payload)
        self.tell({**payload, "task_id": task_id})

    async def put_preview(self, task_id: str, content_type: str, image: bytes) -> None:
        seq = len(self.pictures) + 1
        self.pictures[task_id] = StoredPreview(seq, content_type, image)
        self.tell({"task_id": task_id, "preview": seq})

    async def preview(self, task_id: str) -> StoredPreview | None:
        return self.pictures.get(task_id)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@asynccontextmanager
async def worker_and_backend(wire: Wire) -> AsyncIterator[tuple[LiveHub, LiveHub]]:
    """The hubs of two processes."""
    sender, hearer = LiveHub(), LiveHub()
    async with (
        LiveExchange(wire, sender, sends=True),
        LiveExchange(wire, hearer, sends=False),
    ):
        yield sender, hearer


async def test_progress_of_a_worker_is_known_to_a_backend(wire: Wire) -> None:
    async with worker_and_backend(wire) as (worker, backend):
        worker.progressed("t1", LiveProgress(0.5, "Sampler"))
        await eventually(lambda: backend.progress("t1") == LiveProgress(0.5, "Sampler"))


async def test_of_progress_that_comes_faster_than_it_is_sent_the_newest_goes(wire: Wire) -> None:
    async with worker_and_backend(wire) as (worker, backend):
        for step in range(100):
            worker.progressed("t1", LiveProgress(step / 100))
        await eventually(lambda: backend.progress("t1") == LiveProgress(0.99))
    assert len(wire.sent) < 10


async def test_preview_is_fetched_by_a_backend_whose_client_watches(wire: Wire) -> None:
    async with worker_and_backend(wire) as (worker, backend):
        with backend.watch("t1") as watch:
            worker.previewed("t1", Preview("image/jpeg", PICTURE))
            await asyncio.wait_for(watch.woken.wait(), 5)
            assert backend.preview("t1") == Preview("image/jpeg", PICTURE)


async def test_preview_that_nobody_watches_is_not_fetched(wire: Wire) -> None:
    async with worker_and_backend(wire) as (worker, backend):
        worker.previewed("t1", Preview("image/jpeg", PICTURE))
        worker.progressed("t2", LiveProgress(0.5))
        await eventually(lambda: backend.progress("t2"))
        assert backend.preview("t1") is None


@pytest.mark.parametrize(("state", "ended"), [("running", False), ("done", True)])
async def test_change_of_state_wakes_who_watches(wire: Wire, state: str, ended: bool) -> None:
    async with worker_and_backend(wire) as (_, backend):
        with backend.watch("t1") as watch:
            wire.tell({"task_id": "t1", "state": state, "seq": 1, "attempt": 1, "queue": "q"})
            assert (watch.woken.is_set(), watch.ended.is_set()) == (True, ended)


async def test_everybody_looks_again_where_news_may_have_been_missed(wire: Wire) -> None:
    async with worker_and_backend(wire) as (_, backend):
        with backend.watch("t1") as watch:
            for missed in wire.missed:
                missed()
            assert watch.ended.is_set()


async def test_news_are_sent_again_once_the_database_is_back(wire: Wire) -> None:
    async with worker_and_backend(wire) as (worker, backend):
        wire.away = True
        worker.progressed("t1", LiveProgress(0.1))
        await eventually(lambda: wire.refused)
        wire.away = False
        worker.progressed("t1", LiveProgress(0.2))
        await eventually(lambda: backend.progress("t1") == LiveProgress(0.2))
