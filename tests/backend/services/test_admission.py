"""Whether another task is taken."""

import asyncio
from pathlib import Path

import pytest

from backend.errors import QueueFull
from backend.services.admission import COUNT_SECONDS, Admission
from backend.services.room import Room
from backend.store.sqlite.store import SQLiteTaskStore
from tests.backend.making import claimed, queued


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CountingStore(SQLiteTaskStore):
    """A store that notes how often its queue is counted."""

    counts = 0

    async def queued(self) -> int:
        self.counts += 1
        return await super().queued()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """Of a disk that may be filled to its end."""
    return Room(tmp_path, 0)


async def test_as_many_tasks_are_taken_as_may_wait(
    store: SQLiteTaskStore, room: Room, clock: Clock
) -> None:
    admission = Admission(store, room, 3, clock)
    for _ in range(3):
        await admission.check()
    with pytest.raises(QueueFull, match=r"3 tasks wait already \(MAX_QUEUED_TASKS\)"):
        await admission.check()


async def test_what_waits_already_is_counted(
    store: SQLiteTaskStore, room: Room, clock: Clock
) -> None:
    for name in ("a", "b"):
        await queued(store, name)
    admission = Admission(store, room, 3, clock)
    await admission.check()
    with pytest.raises(QueueFull):
        await admission.check()


async def test_tasks_are_taken_again_once_some_have_gone(
    store: SQLiteTaskStore, room: Room, clock: Clock
) -> None:
    await queued(store)
    admission = Admission(store, room, 1, clock)
    with pytest.raises(QueueFull):
        await admission.check()
    await claimed(store)
    clock.now += COUNT_SECONDS
    await admission.check()


async def test_queue_is_not_counted_for_every_task(
    room: Room, clock: Clock, tmp_path: Path
) -> None:
    store = CountingStore(tmp_path / "counted")
    await store.open()
    admission = Admission(store, room, 1000, clock)
    for _ in range(500):
        await admission.check()
    assert store.counts == 1
    clock.now += COUNT_SECONDS
    await admission.check()
    assert store.counts == 2
    await store.close()


async def test_refused_task_does_not_fill_the_queue(
    store: SQLiteTaskStore, room: Room, clock: Clock
) -> None:
    await queued(store)
    admission = Admission(store, room, 1, clock)
    for _ in range(5):
        with pytest.raises(QueueFull):
            await admission.check()
    await store.cancel("t1", 2500.0)
    clock.now += COUNT_SECONDS
    await admission.check()


async def test_burst_does_not_go_past_the_bound(store: SQLiteTaskStore, room: Room) -> None:
    admission = Admission(store, room, 5)

    async def submit(number: int) -> bool:
        try:
            await admission.check()
        except QueueFull:
            return False
        await queued(store, f"t{number}")
        return True

    taken = await asyncio.gather(*(submit(number) for number in range(50)))
    assert (sum(taken), await store.queued()) == (5, 5)
