"""The faults that strike in the middle of a job."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.fake_comfyui.faults import Fault, Faults
from tests.fake_comfyui.interruption import Interruption
from tests.fake_comfyui.socket import Hub

HANG_POLL_SECONDS = 0.01


class OutOfMemoryError(Exception):
    """Named as torch names it: that name is what a caller can tell it by."""


OutOfMemoryError.__module__ = "torch"


class UnrunnableGraph(Exception):
    """No node can be next. ComfyUI reports it, yet calls the prompt a success."""


@dataclass
class Mishaps:
    faults: Faults
    hub: Hub
    interruption: Interruption
    restart: Callable[[], Awaitable[None]]

    async def hang(self) -> None:
        """Before any progress: wait as long as told to."""
        await self._hang(Fault.HANG)
        await self._hang(Fault.HANG_DEAF)

    async def strike(self) -> None:
        """Let every other switched-on mid-job fault happen, sockets first."""
        if self.faults.take(Fault.FREEZE_WS):
            await self.hub.flushed()
            self.hub.freeze_all()
        if self.faults.take(Fault.DROP_WS):
            await self.hub.flushed()
            await self.hub.close_all()
        if self.faults.take(Fault.RESTART):
            await self.restart()
            self.interruption.check()
        if self.faults.take(Fault.OOM):
            raise OutOfMemoryError("Allocation on device\nThe GPU has no memory left.")
        if self.faults.take(Fault.EXECUTION_ERROR):
            raise RuntimeError("The fake was told to fail here.")
        if self.faults.take(Fault.ERROR_INSIDE_SUCCESS):
            raise UnrunnableGraph("Dependency cycle detected")

    async def _hang(self, fault: Fault) -> None:
        """Polled, as the fault may be cleared from another thread."""
        try:
            while self.faults.active(fault):
                if fault is Fault.HANG:
                    await self.interruption.sleep(HANG_POLL_SECONDS)
                else:
                    await asyncio.sleep(HANG_POLL_SECONDS)
                    self.interruption.check_restart()
        finally:
            self.faults.take(fault)
