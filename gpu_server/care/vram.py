"""The GPU's memory, given back when nobody has used it for a while."""

import asyncio
import logging
import time
from collections.abc import Callable

from gpu_server.background import BackgroundLoop
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.errors import ComfyUIError
from gpu_server.services.jobs import JobService

log = logging.getLogger(__name__)

POLL_SECONDS = 15.0


class IdleVRAM(BackgroundLoop):
    """Has ComfyUI unload its models after `idle_seconds`, once, until there has been work again.

    Work is what anybody runs in ComfyUI, not our jobs alone.
    """

    name = "freeing of idle VRAM"

    def __init__(
        self,
        api: ComfyUIAPI,
        jobs: JobService,
        idle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._api = api
        self._jobs = jobs
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._idle_since = clock()
        self._last: str | None = None
        self._freed = False

    async def look(self) -> None:
        """Ask once, and do what is due."""
        try:
            if await self._has_worked():
                self._idle_since, self._freed = self._clock(), False
            elif not self._freed and self._clock() - self._idle_since >= self._idle_seconds:
                await self._free()
        except ComfyUIError as exc:  # It is watched by somebody else, and may come back as another.
            self._idle_since, self._freed = self._clock(), False
            log.debug("Whether ComfyUI is idle cannot be told: %s", exc.message)

    async def _once(self) -> None:
        await self.look()

    async def _pause(self) -> None:
        await asyncio.sleep(min(POLL_SECONDS, self._idle_seconds / 4))

    async def _has_worked(self) -> bool:
        """Whether anything runs, waits, or has ended since the last look."""
        # The queue first: a job leaves it for the history at once, and never the other way.
        queued = any(await self._api.queued())
        last = await self._api.last_ended()
        new, self._last = last != self._last, last
        return new or queued or self._jobs.busy

    async def _free(self) -> None:
        self._freed = True
        minutes = self._idle_seconds / 60
        if await self._api.free():
            log.info("Idle for %g min: ComfyUI was told to free the GPU's memory", minutes)
        else:
            log.warning("Idle for %g min: ComfyUI refused to free the GPU's memory", minutes)
