"""Accepts the connections that uvicorn's loop would leave waiting in the kernel.

uvloop takes one connection in a turn of its loop. Behind thousands that come at once, a health
probe waits for thousands of turns, and each turn works for those that were taken before it. So
the listening sockets are read here, too, many connections in a turn: what is taken early can be
told apart (see `stream_gate`), what waits in the kernel cannot.
"""

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn

from backend.background import BackgroundLoop

AT_ONCE = 100
"""Connections taken in one turn of the loop."""
LOOK_SECONDS = 0.1
HANDSHAKE_SECONDS = 15.0
"""That it may take to agree on TLS, as long as the head of a request may."""
MOST_HANDSHAKES = 1000
"""At once: one more, and the oldest is broken off. An honest one takes a moment."""
BACKLOG = 4096
"""Connections that may wait in the kernel; no more than its net.core.somaxconn."""


class Acceptor(BackgroundLoop):
    """Begins once the server listens; without a uvicorn server, does nothing."""

    name = "acceptor"

    def __init__(
        self,
        server: uvicorn.Server | None,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        most_handshakes: int = MOST_HANDSHAKES,
    ) -> None:
        super().__init__()
        self._server = server
        self._handshake_seconds = handshake_seconds
        self._most_handshakes = most_handshakes
        self._listeners: list[socket.socket] = []
        self._pending: dict[asyncio.Task[Any], socket.socket] = {}

    async def __aenter__(self) -> "Acceptor":
        return self if self._server is None else await super().__aenter__()

    async def __aexit__(self, *reason: Any) -> None:
        self.close()
        await super().__aexit__(*reason)

    def close(self) -> None:
        """Take no more: the server is about to stop listening."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        self._server = None

    async def _once(self) -> None:
        """Listen beside the server, as soon as it does."""
        if self._server is None or self._listeners or not self._server.started:
            return
        for server in self._server.servers:
            for each in server.sockets:
                self._listen(each.fileno())

    async def _pause(self) -> None:
        await asyncio.sleep(LOOK_SECONDS)

    def _listen(self, number: int) -> None:
        listener = socket.socket(fileno=socket.dup(number))
        listener.listen(BACKLOG)
        self._listeners.append(listener)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        # An OSError: there is none, it has gone again, or there are too many open files. What
        # there is to say of that, the loop's own accepting says.
        with contextlib.suppress(OSError):
            for _ in range(AT_ONCE):
                connection, _ = listener.accept()
                connection.setblocking(False)
                taking = asyncio.create_task(self._take(connection))
                self._pending[taking] = connection
                taking.add_done_callback(self._settle)
        if self._server is not None and self._server.config.ssl is not None:
            over = len(self._pending) - self._most_handshakes
            for oldest in list(self._pending)[: max(over, 0)]:
                oldest.cancel()

    def _settle(self, taking: asyncio.Task[Any]) -> None:
        connection = self._pending.pop(taking)
        if taking.cancelled():
            connection.close()  # It may not have taken its first step.

    async def _take(self, connection: socket.socket) -> None:
        """As uvicorn would have."""
        server = self._server
        if server is None:
            connection.close()
            return
        config = server.config
        protocol: Any = config.http_protocol_class
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol(
                    config=config,
                    server_state=server.server_state,
                    app_state=server.lifespan.state,
                ),
                connection,
                ssl=config.ssl,
                ssl_handshake_timeout=self._handshake_seconds if config.ssl else None,
            )
