"""What uvicorn leaves open: half-sent requests, and readers that do not read.

uvicorn bounds neither, and an application sees neither: a request whose head has not come is none
yet, and a `send` that waits for a reader waits for ever. So the server's own connections are looked
at, once a second, and those that stand still are broken off. Of uvicorn's insides this needs the
set of connections, each one's `transport`, `cycle` and `timeout_keep_alive_task`; where one is
missing, that connection is left alone.
"""

import asyncio
import logging
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import uvicorn

from backend.background import BackgroundLoop

log = logging.getLogger(__name__)

HEAD_SECONDS = 15.0
"""That the head of a request may take."""
SEND_SECONDS = 30.0
"""That a reader may take nothing of what waits for it."""
LOOK_SECONDS = 1.0
MOST_FILES = 65_536
SPARE_FILES = 256
"""For everything else that the process opens."""
BYTES_ACKED = 120
"""Offset of tcpi_bytes_acked in Linux's tcp_info."""


@dataclass
class _Standing:
    """Since when a connection stands still, and by what that is seen."""

    since: float
    at: Any


class ConnectionKeeper(BackgroundLoop):
    """While it is entered, breaks off what stands still; without a uvicorn server, does nothing."""

    name = "connections"

    def __init__(
        self,
        server: uvicorn.Server | None,
        *,
        max_connections: int,
        head_seconds: float = HEAD_SECONDS,
        send_seconds: float = SEND_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._server = server
        self._max_connections = max_connections
        self._head_seconds = head_seconds
        self._send_seconds = send_seconds
        self._look_seconds = look_seconds
        self._clock = clock
        self._heads: WeakKeyDictionary[Any, _Standing] = WeakKeyDictionary()
        self._sends: WeakKeyDictionary[Any, _Standing] = WeakKeyDictionary()

    async def __aenter__(self) -> "ConnectionKeeper":
        if self._server is None:
            return self
        _raise_file_limit(self._max_connections)
        return await super().__aenter__()

    async def _once(self) -> None:
        self.look()

    async def _pause(self) -> None:
        await asyncio.sleep(self._look_seconds)

    def look(self) -> None:
        """Once: break off what has stood still for too long, or is too much."""
        if self._server is None:
            return
        connections = list(self._server.server_state.connections)
        now = self._clock()
        for connection in connections:
            if getattr(connection, "transport", None) is None:
                continue
            self._look_at_head(connection, now)
            self._look_at_reader(connection, now)
        self._bound(connections)

    def _look_at_head(self, connection: Any, now: float) -> None:
        if not _waits_for_head(connection):
            self._heads.pop(connection, None)
            return
        # Between two requests it may wait each time that we look, and for another head.
        cycle = id(connection.cycle)
        standing = self._heads.get(connection)
        if standing is None or standing.at != cycle:
            self._heads[connection] = _Standing(now, cycle)
        elif now - standing.since >= self._head_seconds:
            log.info("A request that never came is broken off")
            connection.transport.abort()

    def _look_at_reader(self, connection: Any, now: float) -> None:
        waiting = connection.transport.get_write_buffer_size()
        if not waiting:
            self._sends.pop(connection, None)
            return
        taken = _taken(connection.transport)
        standing = self._sends.get(connection)
        if standing is None or standing.at != taken:
            self._sends[connection] = _Standing(now, taken)
        elif now - standing.since >= self._send_seconds:
            log.warning("A reader that does not read is dropped, with %d bytes to go", waiting)
            connection.transport.abort()

    def _bound(self, connections: list[Any]) -> None:
        """Too many at once: those whose request has not come go first, the oldest before others."""
        over = len(connections) - self._max_connections
        if over <= 0:
            return
        idle = sorted(self._heads.items(), key=lambda item: item[1].since)[:over]
        log.warning(
            "%d connections are more than MAX_CONNECTIONS: %d without a request are broken off",
            len(connections),
            len(idle),
        )
        for connection, _ in idle:
            connection.transport.abort()


def running_server() -> uvicorn.Server | None:
    """The server that runs this application, by its signal handler; None under another one.

    To be asked before anybody else takes the signals.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, uvicorn.Server) else None


def _waits_for_head(connection: Any) -> bool:
    if not hasattr(connection, "cycle"):
        return False  # A WebSocket: its head has come.
    cycle = connection.cycle
    # An idle connection is uvicorn's own to close, by its timer.
    idle = getattr(connection, "timeout_keep_alive_task", None) is not None
    return not idle and (cycle is None or cycle.response_complete)


def _taken(transport: Any) -> int:
    """What the reader has taken so far: a number that grows as long as it reads."""
    try:
        sock = transport.get_extra_info("socket")
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED + 8)
        return int(struct.unpack_from("Q", info, BYTES_ACKED)[0])
    except (AttributeError, OSError, struct.error):
        # Where the system does not tell: what waits does not shrink.
        return -int(transport.get_write_buffer_size())


def _raise_file_limit(connections: int) -> None:
    """As many files as connections may be open, so far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(connections + SPARE_FILES, MOST_FILES)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY and soft < wanted:
        log.warning(
            "Only %d files may be open (ulimit -n): fewer than MAX_CONNECTIONS (%d) asks for",
            soft,
            connections,
        )
