"""The flag that ends a running prompt."""

import asyncio


class Interrupted(Exception):
    """The running prompt was told to stop."""


class Restarted(Exception):
    """The server lost its memory: the running prompt ends without a trace."""


class Interruption:
    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._reason: type[Exception] = Interrupted

    def request(self, reason: type[Exception] = Interrupted) -> None:
        self._reason = reason
        self._event.set()

    def reset(self) -> None:
        self._event.clear()

    def check(self) -> None:
        if self._event.is_set():
            raise self._reason

    def check_restart(self) -> None:
        """For what does not heed interrupts."""
        if self._event.is_set() and self._reason is Restarted:
            raise Restarted

    async def sleep(self, seconds: float) -> None:
        """Let time pass; an interrupt cuts it short, where ComfyUI ends its step first."""
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            try:
                await asyncio.wait_for(self._event.wait(), seconds)
            except asyncio.TimeoutError:
                return
        self.check()
