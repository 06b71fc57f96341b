"""Work in the background."""

import asyncio

import pytest

from backend.background import BackgroundLoop
from tests.conditions import eventually


class Counting(BackgroundLoop):
    """Counts its rounds; the first one fails."""

    name = "counting"

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0

    async def _once(self) -> None:
        self.rounds += 1
        if self.rounds == 1:
            raise ValueError("a slip")

    async def _pause(self) -> None:
        await asyncio.sleep(0)


class Dying(Counting):
    """Its pause is its end."""

    async def _pause(self) -> None:
        raise ValueError("the end")


async def test_it_goes_on_after_a_slip_which_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with Counting() as counting:
        await eventually(lambda: counting.rounds > 2)
        assert counting.alive
    assert not counting.alive
    assert "Counting failed: this is a bug" in caplog.text
    assert "a slip" in caplog.text


async def test_one_that_has_died_is_not_alive() -> None:
    async with Dying() as dying:
        await eventually(lambda: not dying.alive)


async def test_one_that_was_never_entered_is_not_alive() -> None:
    assert not Counting().alive
