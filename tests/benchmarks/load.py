"""A load client that costs little: one prepared request, again and again, on open connections."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
OK = b"HTTP/1.1 200"


@dataclass
class Load:
    """Of one burst. `latencies` are in seconds; `busy` is the client's own share of a core."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is whole, as long as there is one to send."""

    def __init__(self, request: bytes, burst: "_Burst") -> None:
        self._request = request
        self._burst = burst
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self) -> None:
        if self._burst.left:
            self._burst.left -= 1
            self._sent_at = time.perf_counter()
            self._transport.write(self._request)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(OK):
            self._burst.fail(RuntimeError(self._received[:500].decode(errors="replace")))
        self._burst.load.latencies.append(time.perf_counter() - self._sent_at)
        self._received = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._received or exc is not None or self._burst.left:
            self._burst.fail(exc or ConnectionError("closed in the middle of an answer"))
        self._burst.closed()


class _Burst:
    """What the connections share."""

    def __init__(self, requests: int, connections: int) -> None:
        self.left = requests
        self.load = Load()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = connections

    def closed(self) -> None:
        self._open -= 1
        if not self._open and not self.ended.done():
            self.ended.set_result(None)

    def fail(self, exc: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc)


async def burst(url: str, body: bytes, *, requests: int, clients: int) -> Load:
    """POST the JSON so often, over so many connections at once.

    Raises RuntimeError with the answer that is no 200, ConnectionError.
    """
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    shared = _Burst(requests, clients)
    loop = asyncio.get_running_loop()
    host, port = str(parts.hostname), int(parts.port or 80)
    connections = []
    for _ in range(clients):
        _, connection = await loop.create_connection(
            lambda: _Connection(head.encode() + body, shared), host, port
        )
        connections.append(connection)
    begun, own = time.perf_counter(), time.process_time()
    for connection in connections:
        connection.send()
    await shared.ended
    shared.load.seconds = time.perf_counter() - begun
    shared.load.busy = (time.process_time() - own) / shared.load.seconds
    return shared.load
