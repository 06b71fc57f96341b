"""A proxy between the service and ComfyUI, for what a network does and a server cannot."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class FreezingProxy:
    """Passes bytes on; `refused` counts the requests answered while `bad_gateway` was set.

    While `silent`, requests are never answered.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._frozen = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""
        self.bad_gateway = False
        self.silent = False
        self.refused = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close everything: from now on, nobody is there."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze_sockets(self) -> None:
        """Pass nothing more on to websockets or from them, and keep them open."""
        self._frozen.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_socket = b"upgrade: websocket" in head.lower()
        if self.silent and not is_socket:
            await asyncio.Event().wait()
        if self.bad_gateway and not is_socket:
            self.refused += 1
            writer.write(BAD_GATEWAY)
            await writer.drain()
            return
        there, back = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        if not is_socket:  # One request a connection, so that each can be refused.
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            head = head.replace(b"Connection: keep-alive\r\n", b"")
        back.write(head)
        try:
            await self._both_ways(reader, writer, there, back, is_socket)
        finally:
            back.close()

    async def _both_ways(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        there: StreamReader,
        back: StreamWriter,
        is_socket: bool,
    ) -> None:
        forth = asyncio.create_task(_copy(reader, back))
        home = asyncio.create_task(_copy(there, writer))
        frozen = asyncio.create_task(self._frozen.wait())
        watched = {forth, home, frozen} if is_socket else {home}
        try:
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if is_socket and frozen.done():
                forth.cancel()
                home.cancel()
                await asyncio.Event().wait()  # Open, and silent, until the proxy stops.
        finally:
            for task in (forth, home, frozen):
                task.cancel()
            await asyncio.gather(forth, home, frozen, return_exceptions=True)


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def freezing_proxy(upstream: str) -> AsyncIterator[FreezingProxy]:
    """A proxy in front of `upstream`, its address in `.url`."""
    proxy = FreezingProxy(upstream)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
