"""The websocket side: who is connected, and what is sent to whom."""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tests.fake_comfyui.faults import Fault, Faults
from tests.fake_comfyui.recorded import Json

SERVICE_RESTART = 1012


@dataclass(eq=False)
class Client:
    """One connection. A frozen one stays open and is sent nothing more."""

    websocket: WebSocket
    frozen: bool = False
    features: Json = field(default_factory=dict)

    async def send(self, payload: str | bytes) -> None:
        if self.frozen or self.websocket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            if isinstance(payload, bytes):
                await self.websocket.send_bytes(payload)
            else:
                await self.websocket.send_text(payload)
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The client has gone; its own loop takes it off the list.
            self.frozen = True


class Hub:
    """Sends in one order to all: a queue between the workers and the sockets."""

    def __init__(self, faults: Faults, features: Json, greeting: Callable[[], Json]) -> None:
        self._faults = faults
        self._features = features
        self._greeting = greeting
        self._messages: asyncio.Queue[tuple[str | bytes, str | None]] = asyncio.Queue()
        self._by_sid: dict[str, Client] = {}
        self._open: set[Client] = set()
        # The prompt that runs, or ran last, and the node it is at: told on reconnecting.
        self.current_client: str | None = None
        self.current_node: str | None = None

    @property
    def open_sockets(self) -> int:
        return len(self._open)

    def publish(self, event: str, data: Json, sid: str | None = None) -> None:
        """Queue a text event for one client, or for all where there is no `sid`."""
        text = json.dumps({"type": event, "data": data})
        twice = self._faults.active(Fault.DUPLICATE_EVENTS)
        for _ in range(2 if twice else 1):
            self._messages.put_nowait((text, sid))

    def publish_bytes(self, frame: bytes, sid: str | None) -> None:
        self._messages.put_nowait((frame, sid))

    def supports(self, sid: str | None, feature: str) -> bool:
        client = self._by_sid.get(sid or "")
        return client is not None and client.features.get(feature) is True

    async def run(self) -> None:
        while True:
            payload, sid = await self._messages.get()
            try:
                for client in self._receivers(sid):
                    await client.send(payload)
            finally:
                self._messages.task_done()

    async def flushed(self) -> None:
        """Wait until everything published so far has been sent."""
        await self._messages.join()

    def freeze_all(self) -> None:
        for client in self._open:
            client.frozen = True

    async def close_all(self, code: int = SERVICE_RESTART) -> None:
        for client in list(self._open):
            client.frozen = True
            if client.websocket.application_state is WebSocketState.CONNECTED:
                await client.websocket.close(code)

    async def serve(self, websocket: WebSocket) -> None:
        if self._faults.take(Fault.REFUSE_WS):
            await websocket.close()
            return
        await websocket.accept()
        sid = websocket.query_params.get("clientId") or uuid.uuid4().hex
        client = Client(websocket)
        self._by_sid[sid] = client
        self._open.add(client)
        try:
            await self._greet(client, sid)
            await self._listen(client)
        finally:
            # As in the real one: leaving late takes a newer socket of the same id along.
            self._by_sid.pop(sid, None)
            self._open.discard(client)

    async def _greet(self, client: Client, sid: str) -> None:
        await client.send(_text("status", {"status": self._greeting(), "sid": sid}))
        if sid == self.current_client and self.current_node is not None:
            await client.send(_text("executing", {"node": self.current_node}))

    async def _listen(self, client: Client) -> None:
        first = True
        while True:
            message = await client.websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = _parsed(message.get("text"))
            if first and data.get("type") == "feature_flags":
                client.features = data.get("data", {})
                await client.send(_text("feature_flags", self._features))
            first = False

    def _receivers(self, sid: str | None) -> list[Client]:
        if sid is None:
            return list(self._by_sid.values())
        return [self._by_sid[sid]] if sid in self._by_sid else []


def _text(event: str, data: Json) -> str:
    return json.dumps({"type": event, "data": data})


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        data = json.loads(text or "")
    except json.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}
