"""A server that ends as soon as it has started, to see whether it can."""

import asyncio
import errno
import logging

import uvicorn

log = logging.getLogger(__name__)


class BriefServer(uvicorn.Server):
    """`started` says afterwards whether it did. `name` is how the log calls it."""

    def __init__(self, config: uvicorn.Config, name: str, address: tuple[str, int] | None) -> None:
        super().__init__(config)
        self._name = name
        self._address = address

    async def main_loop(self) -> None:
        """There is nothing to serve; the real address is only bound, by the server's own loop."""
        if self._address is None:
            return
        try:
            await _bind(*self._address)
        except OSError as exc:
            told = "%s cannot start: it cannot listen on %s port %d: %s"
            log.critical(told, self._name, *self._address, exc)
            self.started = False


async def _bind(host: str, port: int) -> None:
    """Raises OSError; that the port is in use is well, as what runs has it."""
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
    else:
        server.close()
