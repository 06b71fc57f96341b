"""When ComfyUI is told to free the GPU's memory, and when not."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from gpu_server.care.vram import IdleVRAM
from gpu_server.comfyui.api import ComfyUIAPI
from tests import plain_http
from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.care.clock import Clock
from tests.gpu_server.jobs import jobs_of
from tests.gpu_server.serving import NOBODY, Service, running

IDLE = 600.0


class Watched:
    """A service beside a ComfyUI, and an hour-glass."""

    def __init__(self, service: Service, fake: FakeComfyUI, vram: IdleVRAM, clock: Clock) -> None:
        self.service, self.fake, self._vram, self._clock = service, fake, vram, clock

    async def after(self, seconds: float) -> int:
        """How often ComfyUI has been told to, by then."""
        self._clock.now += seconds
        await self._vram.look()
        return len(self.fake.requests_to("POST", "/free"))


@pytest.fixture
async def watched(each_fake: FakeComfyUI) -> AsyncIterator[Watched]:
    clock = Clock()
    async with running(each_fake.url) as service, plain_http.AsyncClient() as http:
        api = ComfyUIAPI(http, each_fake.url)
        yield Watched(service, each_fake, IdleVRAM(api, service.state.jobs, IDLE, clock), clock)


async def test_it_is_freed_once_after_idle_time(watched: Watched) -> None:
    assert await watched.after(IDLE - 1) == 0
    assert await watched.after(1) == 1
    [request] = watched.fake.requests_to("POST", "/free")
    assert request.json == {"unload_models": True, "free_memory": True}
    assert await watched.after(IDLE * 3) == 1


async def test_it_is_freed_again_after_new_work(watched: Watched) -> None:
    assert await watched.after(IDLE) == 1
    jobs = jobs_of(watched.service)
    await jobs.done(await jobs.start("selftest"))
    assert await watched.after(IDLE) == 1
    assert await watched.after(IDLE) == 2


async def test_somebody_else_s_job_is_work_too(watched: Watched) -> None:
    await watched.after(0)
    watched.fake.queue.history["somebody's"] = {}
    assert await watched.after(IDLE) == 0
    assert await watched.after(IDLE) == 1


async def test_nothing_is_freed_while_a_job_runs(watched: Watched) -> None:
    watched.fake.faults.set("hang")
    jobs = jobs_of(watched.service)
    job_id = await jobs.start("selftest")
    await watched.fake.until(lambda: watched.fake.queue.running is not None)
    assert await watched.after(IDLE * 2) == 0
    watched.fake.faults.clear()
    await jobs.done(job_id)
    assert await watched.after(IDLE - 1) == 0


async def test_comfyui_that_is_away_is_asked_again_later(
    fake: FakeComfyUI, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with running(fake.url) as service, plain_http.AsyncClient() as http:
        vram = IdleVRAM(ComfyUIAPI(http, NOBODY), service.state.jobs, IDLE, clock)
        clock.now += IDLE * 2
        await vram.look()
    told = [each for each in caplog.records if each.name == "gpu_server.care.vram"]
    assert [each for each in told if each.levelno > logging.DEBUG] == []


async def test_setting_in_minutes_turns_it_on(fake: FakeComfyUI) -> None:
    async with running(fake.url, free_vram_after_minutes=0.05 / 60):
        await eventually(lambda: fake.requests_to("POST", "/free"))


async def test_by_default_nothing_is_freed(fake: FakeComfyUI) -> None:
    async with running(fake.url):
        names = {task.get_name() for task in asyncio.all_tasks()}
    assert "watch over ComfyUI" in names
    assert not names & {IdleVRAM.name, "warm-up"}
