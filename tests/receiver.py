"""A real HTTP server on the loopback that does to requests what a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers by what `answer` says of the request, after `delay` seconds; None hangs."""

    answer: Callable[[Got], bytes | None] = lambda _: status(200)
    got: list[Got] = field(default_factory=list)
    port: int = 0
    delay: float = 0.0
    _held: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Of the server."""
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            request = await _read(reader)
            self.got.append(request)
            reply = self.answer(request)
            await asyncio.sleep(self.delay)
            if reply is None:
                await self._held.wait()
            else:
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def let_go(self) -> None:
        """Whatever hangs is closed."""
        self._held.set()


def status(code: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer."""
    told = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in told.items()]
    return "\r\n".join([f"HTTP/1.1 {code} Whatever", *lines, "", ""]).encode() + body


async def _read(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Got(head[0].split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(answer: Callable[[Got], bytes | None] | None = None) -> AsyncIterator[Receiver]:
    """It runs meanwhile."""
    receiver = Receiver() if answer is None else Receiver(answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.let_go()
        server.close()
        await server.wait_closed()
