"""What is told of a ComfyUI that is busy, gone, or hangs."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from gpu_server.comfy_client import ComfyClient
from gpu_server.config import Engine
from gpu_server.services import health
from gpu_server.services.health import HealthService

SOON = 2.0


class Slow:
    """A ComfyUI that answers what the test says, once it says so."""

    engine = Engine.STUB

    def __init__(self) -> None:
        self.asked = 0
        self.answers: asyncio.Queue[bool] = asyncio.Queue()

    async def check_health(self) -> bool:
        self.asked += 1
        return await self.answers.get()


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def service(slow: Slow, tmp_path: Path) -> HealthService:
    return HealthService(cast(ComfyClient, slow), tmp_path, busy_seconds=0.01)


async def told(service: HealthService) -> bool:
    return (await asyncio.wait_for(service.check(), SOON)).comfyui_available


@pytest.mark.parametrize("answer", [True, False])
async def test_first_answer_is_waited_for(service: HealthService, slow: Slow, answer: bool) -> None:
    asked = asyncio.create_task(told(service))
    await asyncio.sleep(0.05)
    assert not asked.done()
    slow.answers.put_nowait(answer)
    assert await asked is answer


async def test_busy_one_that_has_just_answered_is_there(service: HealthService, slow: Slow) -> None:
    slow.answers.put_nowait(True)
    assert await told(service)
    assert await told(service)
    assert slow.asked == 2


async def test_one_that_has_just_answered_and_is_gone_is_gone(
    service: HealthService, slow: Slow
) -> None:
    for answer in (True, False):
        slow.answers.put_nowait(answer)
        assert await told(service) is answer


async def test_silence_of_more_than_a_moment_is_waited_for(
    service: HealthService, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "JUST_SECONDS", 0.0)
    slow.answers.put_nowait(True)
    assert await told(service)
    asked = asyncio.create_task(told(service))
    await asyncio.sleep(0.05)
    assert not asked.done()
    slow.answers.put_nowait(False)
    assert await asked is False


async def test_silent_one_is_asked_once_for_all_who_wait(
    service: HealthService, slow: Slow
) -> None:
    waiting: list[Any] = [asyncio.create_task(told(service)) for _ in range(20)]
    await asyncio.sleep(0.05)
    slow.answers.put_nowait(True)
    assert await asyncio.gather(*waiting) == [True] * 20
    assert slow.asked == 1
