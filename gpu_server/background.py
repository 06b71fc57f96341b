"""Work in the background, from the time that it is entered to the time that it is left."""

import asyncio
import logging
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, TypeVar

log = logging.getLogger(__name__)

Own = TypeVar("Own", bound="BackgroundLoop")


class BackgroundLoop(ABC):
    """Does something again and again, in a task of its own. `alive` is False once that has died."""

    name: ClassVar[str]
    """Of the task, and in the log."""

    def __init__(self) -> None:
        self._loop: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether its loop runs."""
        return self._loop is not None and not self._loop.done()

    async def __aenter__(self: Own) -> Own:
        self._loop = asyncio.create_task(self._go_on(), name=self.name)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            try:
                await self._once()
            except Exception:
                log.exception("%s failed: this is a bug", self.name.capitalize())
            await self._pause()

    @abstractmethod
    async def _once(self) -> None:
        """What it does. What is expected to go wrong it handles itself."""

    @abstractmethod
    async def _pause(self) -> None:
        """What it waits for before it does so again."""
