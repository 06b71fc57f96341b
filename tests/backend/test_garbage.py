"""When full garbage collections are made."""

import gc
from collections.abc import Iterator
from typing import cast

import pytest
import uvicorn

from backend.garbage import FEW, LONGEST_SECONDS, NEVER, Garbage


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class State:
    """As much of a uvicorn server as is looked at."""

    def __init__(self, connections: int) -> None:
        self.connections = set(range(connections))

    @property
    def server_state(self) -> "State":
        return self


def garbage(connections: int, clock: Clock) -> Garbage:
    return Garbage(cast(uvicorn.Server, State(connections)), clock)


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("thresholds")
async def test_with_few_connections_each_look_collects() -> None:
    async with garbage(FEW, Clock()) as collector:
        ring: list[object] = []
        ring.append(ring)
        assert collector.look()


@pytest.mark.usefixtures("thresholds")
async def test_with_many_it_collects_once_in_an_hour() -> None:
    clock = Clock()
    async with garbage(FEW + 1, clock) as collector:
        assert not collector.look()
        clock.now += LONGEST_SECONDS
        assert collector.look()
        assert not collector.look()


async def test_python_itself_makes_no_full_collections(thresholds: tuple[int, int, int]) -> None:
    async with garbage(0, Clock()):
        assert gc.get_threshold() == (*thresholds[:2], NEVER)
        assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("thresholds")
async def test_without_a_server_nothing_is_changed() -> None:
    async with Garbage(None) as collector:
        assert not collector.look()
        assert gc.get_freeze_count() == 0
