"""The one websocket to ComfyUI: opened again whenever it is lost, shared by all jobs."""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from gpu_server.comfyui.messages import ImageFrame, Message, read_frame, read_message

log = logging.getLogger(__name__)

MAX_MESSAGE = 256 * 1024 * 1024
OPEN_SECONDS = 5.0
PING_SECONDS = 10.0
RETRY_SECONDS = 1.0
# Before Python 3.11, asyncio's TimeoutError is not the builtin one.
NO_SOCKET = (OSError, TimeoutError, asyncio.TimeoutError, ValueError, WebSocketException)
FEATURES = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})


class SocketListener(Protocol):
    """A job that wants to hear of itself. Called in the event loop; must not block."""

    def heard(self, message: Message) -> None:
        """A text message about this job."""

    def saw(self, frame: ImageFrame) -> None:
        """An image of this job."""

    def deaf(self) -> None:
        """The socket is gone: nothing more will be heard of what has been submitted."""


class ComfyUISocket:
    """Listens while it is entered. Every connection has a client id of its own: under a used one
    ComfyUI may take the end of the old connection for the end of the new.

    `on_connected` is awaited after each connection: ComfyUI may be another one by then.
    """

    def __init__(
        self,
        url: str,
        on_connected: Callable[[], Awaitable[None]],
        open_seconds: float = OPEN_SECONDS,
    ) -> None:
        self._url = f"{url.rstrip('/').replace('http', 'ws', 1)}/ws"
        self._on_connected = on_connected
        self._open_seconds = open_seconds
        self._listeners: dict[str, SocketListener] = {}
        self._executing: str | None = None
        self._open = asyncio.Event()
        self._tried = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._connection: ClientConnection | None = None
        self.client_id = uuid.uuid4().hex

    @property
    def is_open(self) -> bool:
        """Whether messages arrive right now, as far as can be told."""
        return self._open.is_set()

    @property
    def alive(self) -> bool:
        """Whether it is entered, and still tries to be open."""
        return self._keeping is not None and not self._keeping.done()

    async def ready(self, seconds: float) -> bool:
        """Where it is not open: try again now, and wait for that, but no longer than this."""
        if not self.is_open:
            self._tried.clear()
            self._hurry.set()
            with anyio.move_on_after(seconds):
                await self._tried.wait()
        return self.is_open

    def reopen(self) -> None:
        """It is open, and what should have come did not: end it, so that a new one is opened."""
        if self._connection is not None:
            self._open.clear()
            self._connection.transport.abort()

    @contextmanager
    def listening(self, prompt_id: str, listener: SocketListener) -> Iterator[None]:
        """Send what is heard of `prompt_id` to the listener."""
        self._listeners[prompt_id] = listener
        try:
            yield
        finally:
            del self._listeners[prompt_id]

    async def __aenter__(self) -> "ComfyUISocket":
        self._keeping = self._spawn(self._keep_open(), "ComfyUI socket")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None], name: str) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_open(self) -> None:
        away = False
        while True:
            self.client_id = uuid.uuid4().hex
            self._hurry.clear()
            try:
                async with connect(
                    f"{self._url}?clientId={self.client_id}",
                    open_timeout=self._open_seconds,
                    ping_interval=PING_SECONDS,
                    ping_timeout=PING_SECONDS,
                    close_timeout=1,
                    max_size=MAX_MESSAGE,
                    proxy=None,
                ) as connection:
                    away = False
                    await self._listen(connection)
            except NO_SOCKET as exc:
                if not away:
                    log.warning("No websocket to ComfyUI (%s): its history is asked instead", exc)
                away = True
            finally:
                self._lost()
            with anyio.move_on_after(RETRY_SECONDS):
                await self._hurry.wait()

    async def _listen(self, connection: ClientConnection) -> None:
        self._connection = connection
        await connection.send(FEATURES)
        log.info("Websocket to ComfyUI open")
        self._open.set()
        self._tried.set()
        self._spawn(self._connected(), "after ComfyUI's connection")
        async for frame in connection:
            try:
                self._dispatch(frame)
            except Exception:
                log.exception("A frame from ComfyUI could not be used")

    async def _connected(self) -> None:
        try:
            await self._on_connected()
        except Exception:
            log.exception("After the connection to ComfyUI")

    def _lost(self) -> None:
        if self._connection is None:
            self._tried.set()
        self._open.clear()
        self._connection = None
        self._executing = None
        for listener in list(self._listeners.values()):
            listener.deaf()

    def _dispatch(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            if (image := read_frame(frame)) is not None:
                prompt_id = image.prompt_id or self._executing
                if prompt_id in self._listeners:
                    self._listeners[prompt_id].saw(image)
            return
        message = read_message(frame)
        if message is None or message.prompt_id is None:
            return
        if message.kind in ("execution_start", "executing"):
            self._executing = message.prompt_id
        if message.prompt_id in self._listeners:
            self._listeners[message.prompt_id].heard(message)
