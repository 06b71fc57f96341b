"""What is said of a ComfyUI that does not answer, and when it is started again."""

import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import respx

from gpu_server.care.restart import MOST_AN_HOUR, RestartCommand
from gpu_server.care.watch import START_FACTOR, ComfyUIWatch, Condition
from gpu_server.comfyui.api import ComfyUIAPI
from tests import plain_http
from tests.conditions import eventually
from tests.gpu_server.care.clock import Clock
from tests.gpu_server.serving import NOBODY

DEAD_AFTER = 60.0
ANSWER = httpx.Response(200, json={})
REFUSED = httpx.ConnectError("refused")
STATS = f"{NOBODY}/system_stats"


class Watched:
    """A watch over a ComfyUI whose answers the test chooses, with a restart that leaves a mark."""

    def __init__(self, api: ComfyUIAPI, folder: Path, *, restarts: bool) -> None:
        self.clock = Clock()
        self._mark = folder / "restarts"
        command = RestartCommand(
            f"sh -c 'echo x >> {self._mark}'",
            folder / "output",
            os.environ,
            clock=self.clock,
        )
        self.watch = ComfyUIWatch(api, DEAD_AFTER, command if restarts else None, self.clock)
        self.answer(ANSWER)

    @property
    def restarts(self) -> int:
        return len(self._mark.read_text().split()) if self._mark.exists() else 0

    def answer(self, what: httpx.Response | Exception) -> None:
        respx.get(STATS).mock(side_effect=[what] * 100)

    async def after(self, seconds: float) -> Condition:
        self.clock.now += seconds
        await self.watch.look()
        return self.watch.condition


@pytest.fixture
async def api() -> AsyncIterator[ComfyUIAPI]:
    async with plain_http.AsyncClient() as http:
        with respx.mock:
            yield ComfyUIAPI(http, NOBODY)


@pytest.fixture
def watched(api: ComfyUIAPI, tmp_path: Path) -> Watched:
    return Watched(api, tmp_path, restarts=False)


@pytest.fixture
def restarting(api: ComfyUIAPI, tmp_path: Path) -> Watched:
    return Watched(api, tmp_path, restarts=True)


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


async def test_comfyui_that_answers_is_up(watched: Watched) -> None:
    assert watched.watch.condition is Condition.STARTING
    assert await watched.after(0) is Condition.UP


async def test_short_silence_is_no_death_and_nothing_is_logged(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    await watched.after(0)
    watched.answer(REFUSED)
    assert await watched.after(DEAD_AFTER - 1) is Condition.SILENT
    watched.answer(ANSWER)
    assert await watched.after(1) is Condition.UP
    watched.answer(REFUSED)
    assert await watched.after(DEAD_AFTER - 1) is Condition.SILENT
    assert said(caplog, logging.INFO) == []


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (REFUSED, "it cannot be reached (ConnectError)"),
        (httpx.ReadTimeout("silent"), "it says nothing for 5 s"),
        (httpx.Response(500), "it answers 500"),
    ],
)
async def test_death_is_logged_once_with_its_reason_and_so_is_the_return(
    watched: Watched,
    caplog: pytest.LogCaptureFixture,
    what: httpx.Response | Exception,
    reason: str,
) -> None:
    await watched.after(0)
    watched.answer(what)
    for _ in range(3):
        assert await watched.after(DEAD_AFTER) is Condition.DEAD
    [line] = said(caplog, logging.INFO)
    assert line.startswith(f"ComfyUI at {NOBODY} has not answered for 60 s: {reason}.")
    assert "COMFYUI_RESTART_COMMAND" in line
    caplog.set_level(logging.INFO)
    watched.answer(ANSWER)
    assert await watched.after(1) is Condition.UP
    assert await watched.after(1) is Condition.UP
    assert said(caplog, logging.INFO)[1:] == ["ComfyUI answers again, after 181 s"]


async def test_comfyui_that_has_never_answered_may_take_longer(restarting: Watched) -> None:
    restarting.answer(REFUSED)
    assert await restarting.after(DEAD_AFTER * START_FACTOR - 1) is Condition.STARTING
    assert restarting.restarts == 0
    await restarting.after(1)
    assert restarting.restarts == 1


async def test_dead_one_is_started_again_once_and_then_has_time_to_start(
    restarting: Watched,
) -> None:
    await restarting.after(0)
    restarting.answer(REFUSED)
    await restarting.after(DEAD_AFTER - 1)
    assert restarting.restarts == 0
    assert await restarting.after(1) is Condition.STARTING
    assert restarting.restarts == 1
    await restarting.after(DEAD_AFTER * START_FACTOR - 1)
    assert restarting.restarts == 1
    await restarting.after(1)
    assert restarting.restarts == 2


async def test_restarts_that_do_not_help_come_ever_more_seldom(restarting: Watched) -> None:
    restarting.answer(REFUSED)
    waits = []
    for count in range(1, 4):
        waits.append(restarting.watch.patience)
        await restarting.after(restarting.watch.patience)
        assert restarting.restarts == count
    assert waits == [300, 300, 600]


async def test_restart_that_helped_makes_it_patient_as_before(restarting: Watched) -> None:
    restarting.answer(REFUSED)
    await restarting.after(DEAD_AFTER * START_FACTOR)
    restarting.answer(ANSWER)
    assert await restarting.after(1) is Condition.UP
    assert restarting.watch.patience == DEAD_AFTER


async def test_comfyui_that_answers_is_never_restarted(restarting: Watched) -> None:
    for _ in range(3):
        await restarting.after(DEAD_AFTER * START_FACTOR)
    assert restarting.restarts == 0


async def test_one_that_dies_again_and_again_is_restarted_a_few_times_an_hour(
    restarting: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    async def dies() -> None:
        restarting.answer(ANSWER)
        await restarting.after(1)
        restarting.answer(REFUSED)
        await restarting.after(DEAD_AFTER)

    for _ in range(MOST_AN_HOUR + 2):
        await dies()
    assert restarting.restarts == MOST_AN_HOUR
    assert len([line for line in said(caplog, logging.ERROR) if "within an hour" in line]) == 1
    await restarting.after(3600)
    assert restarting.restarts == MOST_AN_HOUR + 1


async def test_cancelled_job_that_runs_on_for_long_is_a_hanging_comfyui(
    restarting: Watched, api: ComfyUIAPI, caplog: pytest.LogCaptureFixture
) -> None:
    queue = {"queue_running": [[0, "stuck", {}, {}, []]], "queue_pending": []}
    respx.get(f"{NOBODY}/queue").respond(json=queue)
    api.withdrawn = {"stuck": restarting.clock(), "gone": restarting.clock()}
    assert await restarting.after(DEAD_AFTER * START_FACTOR - 1) is Condition.UP
    assert list(api.withdrawn) == ["stuck"]
    assert restarting.restarts == 0
    assert await restarting.after(1) is Condition.STARTING
    assert restarting.restarts == 1
    assert "hangs: job stuck, cancelled 300 s ago, runs on" in caplog.text
    assert await restarting.after(DEAD_AFTER * START_FACTOR) is Condition.UP
    assert restarting.restarts == 1


async def test_job_that_nobody_cancelled_may_run_for_ever(restarting: Watched) -> None:
    queue = {"queue_running": [[0, "slow", {}, {}, []]], "queue_pending": []}
    route = respx.get(f"{NOBODY}/queue").respond(json=queue)
    for _ in range(3):
        assert await restarting.after(DEAD_AFTER * START_FACTOR) is Condition.UP
    assert (restarting.restarts, route.call_count) == (0, 0)


async def test_it_looks_by_itself_while_it_is_entered(api: ComfyUIAPI) -> None:
    respx.get(STATS).mock(side_effect=[ANSWER] * 2 + [REFUSED] * 1000)
    watch = ComfyUIWatch(api, dead_after=0.02)
    async with watch:
        await eventually(lambda: watch.condition is Condition.DEAD)
        assert watch.alive
    assert not watch.alive
