"""Running one graph in ComfyUI until it has ended, whatever becomes of the socket.

ComfyUI's queue and history are the truth. The websocket only makes us look sooner: it may drop,
freeze or never connect, and the job still ends.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.errors import ComfyUIError, ComfyUILostJob, ComfyUITimeout, ComfyUIUnavailable
from gpu_server.workflows.graph import Graph

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often the history is asked while the socket is silent."""
SOCKET_OPEN_SECONDS = 5.0
CANCEL_SECONDS = 5.0
MAX_MESSAGE = 64 * 1024 * 1024


class RunningJob:
    """One graph on its way through ComfyUI, from before the submission to its end."""

    def __init__(self, api: ComfyUIAPI, graph: Graph, prompt_id: str) -> None:
        self._api = api
        self._graph = graph
        self._client_id = uuid.uuid4().hex
        self._last_word = asyncio.Event()
        # Ours by choice; ComfyUI before 0.3.40 ignores that and answers one of its own.
        self.prompt_id = prompt_id

    async def run(self, timeout: float) -> dict[str, Any]:
        """Submit, follow, and return the job's entry in the history.

        `timeout` is in seconds, the wait in ComfyUI's queue included. Whoever cancels us cancels
        the job in ComfyUI. Raises WorkflowInvalid, ComfyUIRejected, ComfyUIUnavailable,
        ComfyUILostJob, ComfyUITimeout.
        """
        try:
            with anyio.fail_after(timeout):
                async with self._socket():
                    await self._submit()
                    return await self._follow()
        except TimeoutError as exc:
            await self._cancel()
            raise ComfyUITimeout(
                f"The job did not end within {timeout:g} s and was cancelled. "
                "Ask for less (steps, size), or raise JOB_TIMEOUT."
            ) from exc
        except asyncio.CancelledError:
            await self._cancel()
            raise

    async def _submit(self) -> None:
        try:
            self.prompt_id = await self._api.submit(self._graph, self.prompt_id, self._client_id)
        except ComfyUIUnavailable:
            # It may have arrived all the same, and is not deduplicated: look before giving up.
            if not await self._api.knows(self.prompt_id):
                raise

    async def _follow(self) -> dict[str, Any]:
        while True:
            await self._wait_for_last_word()
            try:
                if (entry := await self._api.history(self.prompt_id)) is not None:
                    return entry
                if not await self._api.knows(self.prompt_id):
                    raise ComfyUILostJob("ComfyUI restarted and lost the job. Submit it again.")
            except ComfyUIUnavailable as exc:
                log.warning("Job %s: %s", self.prompt_id, exc)

    async def _wait_for_last_word(self) -> None:
        with anyio.move_on_after(LOOK_SECONDS):
            await self._last_word.wait()
        self._last_word.clear()

    async def _cancel(self) -> None:
        with anyio.move_on_after(CANCEL_SECONDS, shield=True):
            try:
                await self._api.cancel(self.prompt_id)
            except ComfyUIError as exc:
                log.warning("Job %s could not be cancelled in ComfyUI: %s", self.prompt_id, exc)

    @asynccontextmanager
    async def _socket(self) -> AsyncIterator[None]:
        """Listen from before the submission on, under a client id of this job's own."""
        url = f"{self._api.url.replace('http', 'ws', 1)}/ws?clientId={self._client_id}"
        try:
            socket = await connect(
                url, open_timeout=SOCKET_OPEN_SECONDS, max_size=MAX_MESSAGE, proxy=None
            )
        except (OSError, TimeoutError, WebSocketException) as exc:
            log.warning("Job %s: no websocket (%s), asking the history", self.prompt_id, exc)
            yield
            return
        async with socket:
            listener = asyncio.create_task(self._listen(socket), name=f"socket {self.prompt_id}")
            try:
                yield
            finally:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                if isinstance(message, str) and self._is_last_word(json.loads(message)):
                    self._last_word.set()
        except (OSError, WebSocketException, ValueError) as exc:
            log.warning("Job %s: websocket lost (%s), asking the history", self.prompt_id, exc)

    def _is_last_word(self, message: dict[str, Any]) -> bool:
        """`executing` without a node is sent once the history is written."""
        data = message.get("data") or {}
        return (
            message.get("type") == "executing"
            and data.get("node") is None
            and data.get("prompt_id") == self.prompt_id
        )
