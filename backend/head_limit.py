"""A bound on the head of a request, kept while it arrives: uvicorn keeps one of any size.

An application sees a head once it is whole, which is too late. So the server's next connections
get one of uvicorn's own protocols that hands on no more than a head may have. Behind a request
that is still being answered it may be some more, up to what the system reads at once.
"""

import asyncio
import logging
import sys
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from backend.correlation import correlated, told_in
from backend.problems import MEDIA_TYPE, Problem

log = logging.getLogger(__name__)

MAX_HEAD = 65_536
"""Bytes of a request's first line and its headers; those behind a chunked body may be as many."""
LINGER_SECONDS = 2.0
"""That what still comes is thrown away: closed at once, it would take the answer with it."""

TOO_LARGE = Problem(
    title="Header too large",
    status=431,
    detail=f"The request's first line and headers are larger than {MAX_HEAD} bytes. Send less.",
    code="header_too_large",
    retryable=False,
)


def bound_heads(server: uvicorn.Server | None) -> None:
    """To be called before the server listens; another protocol than these two is left alone."""
    if server is None:
        return
    config = server.config
    own = config.http_protocol_class
    config.http_protocol_class = BOUNDED.get(own, own)
    if config.h11_max_incomplete_event_size is None:
        config.h11_max_incomplete_event_size = MAX_HEAD


class _Bounded(asyncio.Protocol):
    """In front of one of uvicorn's protocols, which sets `_head` back when a head is whole."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    server_state: ServerState
    cycle: Any
    _head = 0
    """Bytes handed on since."""
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Piece by piece, so that a head ends where one that is too large would."""
        taken = 0
        while taken < len(data) and self._listens():
            piece = data[taken : taken + MAX_HEAD - self._head]
            taken += len(piece)
            self._head += len(piece)
            super().data_received(piece)
            if self._head >= MAX_HEAD and self._listens():
                self._refuse()

    def _listens(self) -> bool:
        """It may have refused, closed, or made room for a WebSocket."""
        gone = self._refused or self.transport.is_closing()
        return not gone and self.transport.get_protocol() is self

    def _refuse(self) -> None:
        """Answers come in the requests' order: those that are owed go first."""
        self._refused = True
        if self.cycle is None or self.cycle.response_complete:
            self._answer()
        elif self.cycle.more_body:
            self.transport.close()  # Of the very request that is being answered.

    def _answer(self) -> None:
        told = told_in({})
        with correlated(told):
            log.info("A request with a head of more than %d bytes is refused", MAX_HEAD)
        self.transport.write(_response(self.server_state.default_headers, told.headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


class BoundedHttpTools(_Bounded, HttpToolsProtocol):
    """Has no bound of its own."""

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._head = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A body has bounds of its own."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes now is another request's."""
        self._head = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The last answer that was owed, perhaps."""
        super().on_response_complete()
        if self._refused and self.cycle.response_complete and not self.transport.is_closing():
            self._answer()


class BoundedH11(_Bounded, H11Protocol):
    """Has a bound of its own: 16 KB of what is not whole yet, else a 400 in plain text."""

    def handle_events(self) -> None:
        """Out of what has come."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._head = 0

    def send_400_response(self, msg: str) -> None:
        """Unless h11 would say 431: it has seen what we have not, behind another request."""
        if getattr(sys.exc_info()[1], "error_status_hint", 400) == TOO_LARGE.status:
            self._refuse()
        else:
            super().send_400_response(msg)


BOUNDED: dict[type[asyncio.Protocol], type[asyncio.Protocol]] = {
    HttpToolsProtocol: BoundedHttpTools,
    H11Protocol: BoundedH11,
}


def _response(default: list[tuple[bytes, bytes]], more: dict[str, str]) -> bytes:
    """The whole of it, as nothing is left to ask uvicorn for one."""
    body = TOO_LARGE.model_dump_json().encode()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close"}
    own = [(name.encode(), value.encode()) for name, value in {**headers, **more}.items()]
    lines = [b"HTTP/1.1 431 Request Header Fields Too Large"]
    lines += [name + b": " + value for name, value in [*default, *own]]
    return b"\r\n".join([*lines, b"", body])
