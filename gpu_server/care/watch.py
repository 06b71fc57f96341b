"""Whether ComfyUI answers; where it does not for long, it is started again."""

import asyncio
import logging
import time
from collections.abc import Callable
from enum import Enum

from gpu_server.background import BackgroundLoop
from gpu_server.care.restart import RestartCommand
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.errors import ComfyUIError

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
START_FACTOR = 5
"""How much longer a ComfyUI may be silent that has just been started: custom nodes take time."""
LONGEST_PATIENCE = 3600.0


class Condition(str, Enum):
    """Of ComfyUI. A job that runs for long says nothing of it: only a cancelled one does."""

    STARTING = "starting"
    """It has not answered yet: neither since we began to look, nor since it was restarted."""
    UP = "up"
    SILENT = "silent"
    """It does not answer just now."""
    DEAD = "dead"
    """It has not answered, or not let go of a cancelled job, for longer than one should wait."""


class ComfyUIWatch(BackgroundLoop):
    """Asks ComfyUI every few seconds. `dead_after` is in seconds of silence.

    One that starts may be silent five times as long, and with every restart that did not help
    twice as long again. A job may run on five times as long after it was cancelled: then the GPU
    hangs, though HTTP answers. Changes are logged once.
    """

    name = "watch over ComfyUI"

    def __init__(
        self,
        api: ComfyUIAPI,
        dead_after: float,
        restart: RestartCommand | None = None,
        clock: Callable[[], float] = time.monotonic,
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._api = api
        self._dead_after = dead_after
        self._restart = restart
        self._clock = clock
        self._restarted = restarted
        self._answered_at = clock()
        self._fruitless = 0
        self.condition = Condition.STARTING

    @property
    def patience(self) -> float:
        """Seconds of silence after which it is dead."""
        if not self._starts and not self._fruitless:
            return self._dead_after
        starting = self._dead_after * START_FACTOR * 2.0 ** max(self._fruitless - 1, 0)
        return min(starting, max(LONGEST_PATIENCE, self._dead_after))

    async def look(self) -> None:
        """Ask once, and do what is due."""
        trouble = await self._api.trouble()
        if trouble is None:
            await self._look_inside()
            return
        silent = self._clock() - self._answered_at
        if self.condition is Condition.UP:
            self.condition = Condition.SILENT
        if silent >= self.patience:
            await self._is_dead(f"has not answered for {silent:.0f} s: {trouble}")

    async def _look_inside(self) -> None:
        """It answers; whether it works, too."""
        self._answered_at, silent_since = self._clock(), self._answered_at
        try:
            withdrawn = await self._api.still_running()
        except ComfyUIError:
            return  # It has just gone: the next look will see.
        for prompt_id, at in withdrawn.items():
            stuck = self._clock() - at
            if stuck >= self._dead_after * START_FACTOR:
                await self._is_dead(f"hangs: job {prompt_id}, cancelled {stuck:.0f} s ago, runs on")
                return
        self._is_up(self._answered_at - silent_since)

    async def _once(self) -> None:
        await self.look()

    async def _pause(self) -> None:
        await asyncio.sleep(min(POLL_SECONDS, self._dead_after / 4))

    @property
    def _starts(self) -> bool:
        return self.condition is Condition.STARTING

    def _is_up(self, silent: float) -> None:
        if self.condition is Condition.DEAD or self._fruitless:
            log.info("ComfyUI answers again, after %.0f s", silent)
        self._fruitless = 0
        self.condition = Condition.UP

    async def _is_dead(self, reason: str) -> None:
        if self.condition is not Condition.DEAD:
            self.condition = Condition.DEAD
            then = "" if self._restart else " Start it again, or let COMFYUI_RESTART_COMMAND do so"
            log.error("ComfyUI at %s %s.%s", self._api.url, reason, then)
        await self._start_again()

    async def _start_again(self) -> None:
        if self._restart is None or not self._restart.is_allowed():
            return
        self._api.withdrawn.clear()
        await self._restart.run(self._api.is_up)
        self._restarted()
        self._fruitless += 1
        self._answered_at = self._clock()
        self.condition = Condition.STARTING
