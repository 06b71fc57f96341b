"""A way to the database that breaks off at a chosen moment: when an answer is on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class CuttingProxy:
    """Passes everything on, until a request comes that holds `cut_at`: its answer is lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut_at: bytes | None = None
        self.cuts = 0
        self._carried: set[asyncio.Task[None]] = set()
        self._ends: list[asyncio.StreamWriter] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._carried.add(asyncio.create_task(self._carry(reader, writer)))

    async def close(self) -> None:
        """Break off what is left."""
        for carried in self._carried:
            carried.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)
        for end in self._ends:
            end.close()  # One that was just ending was cut off before it could.
        await asyncio.gather(*(end.wait_closed() for end in self._ends), return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += (to_server, writer)
        answers = asyncio.create_task(_pass_on(from_server, writer))
        try:
            while data := await reader.read(65536):
                if self.cut_at is not None and self.cut_at in data:
                    self.cut_at = None
                    self.cuts += 1
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    to_server.write(data)
                    await from_server.read(65536)  # It has been done.
                    break
                to_server.write(data)
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            to_server.close()
            writer.close()


@asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[tuple[CuttingProxy, int]]:
    """The proxy, and the port that it listens on."""
    proxy = CuttingProxy(port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await proxy.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
