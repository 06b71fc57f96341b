"""A ComfyUI client with nothing but httpx and websockets, for looking at the fake."""

import asyncio
import contextlib
import inspect
import io
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests import plain_http
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.fakes.graphs import Graph

Json = dict[str, Any]
SECONDS = 5.0
# Newer websockets would take a proxy from the environment even for loopback.
DIRECT: dict[str, Any] = (
    {"proxy": None} if "proxy" in inspect.signature(connect.__init__).parameters else {}
)


class Listener:
    """One websocket; `messages` holds what came in, text as JSON and frames as bytes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[Any] = []
        self.closed = False

    async def listen(self) -> None:
        try:
            async for message in self.socket:
                text = isinstance(message, str)
                self.messages.append(json.loads(message) if text else message)
        except ConnectionClosed:
            pass
        self.closed = True

    @property
    def events(self) -> list[Json]:
        return [message for message in self.messages if isinstance(message, dict)]

    @property
    def frames(self) -> list[bytes]:
        return [message for message in self.messages if isinstance(message, bytes)]

    def of_type(self, kind: str) -> list[Json]:
        return [event["data"] for event in self.events if event["type"] == kind]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@contextlib.asynccontextmanager
async def listening(
    fake: FakeComfyUI, client_id: str, features: Json | None = None
) -> AsyncIterator[Listener]:
    """A connected listener; with `features`, they have been exchanged."""
    url = f"{fake.url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
    async with connect(url, **DIRECT) as socket:
        listener = Listener(socket)
        task = asyncio.create_task(listener.listen())
        try:
            await fake.until(lambda: len(listener.messages) >= 1)
            if features is not None:
                await socket.send(json.dumps({"type": "feature_flags", "data": features}))
                await fake.until(lambda: bool(listener.of_type("feature_flags")))
            yield listener
        finally:
            await socket.close()
            await task


class Client:
    """HTTP to one fake, and the waiting that goes with it."""

    def __init__(self, fake: FakeComfyUI, http: httpx.AsyncClient) -> None:
        self.fake = fake
        self.http = http

    async def submit(self, graph: Graph, **fields: Any) -> str:
        """The prompt's id; fails unless accepted."""
        answer = await self.post_prompt(graph, **fields)
        assert answer.status_code == 200, answer.text
        prompt_id: str = answer.json()["prompt_id"]
        return prompt_id

    async def post_prompt(self, graph: Graph, **fields: Any) -> httpx.Response:
        body = {"prompt": graph, "client_id": "tester", "prompt_id": str(uuid.uuid4()), **fields}
        return await self.http.post("/prompt", json=body)

    async def run(self, graph: Graph, **fields: Any) -> Json:
        """The history entry of a prompt run to its end."""
        prompt_id = await self.submit(graph, **fields)
        await self.until(lambda: prompt_id in self.fake.executed_prompts)
        return await self.history(prompt_id)

    async def history(self, prompt_id: str) -> Json:
        entries: Json = (await self.http.get(f"/history/{prompt_id}")).json()
        entry: Json = entries.get(prompt_id, {})
        return entry

    async def view(self, entry: Json, node_id: str) -> Image.Image:
        """The first picture that a node of a finished prompt shows."""
        named = entry["outputs"][node_id]["images"][0]
        answer = await self.http.get("/view", params=named)
        assert answer.status_code == 200
        image = Image.open(io.BytesIO(answer.content))
        image.load()
        return image

    async def upload(self, name: str, image: Image.Image, **fields: str) -> Json:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        files = {"image": (name, buffer.getvalue(), "image/png")}
        answer = await self.http.post("/upload/image", files=files, data=fields)
        assert answer.status_code == 200, answer.text
        named: Json = answer.json()
        return named

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.fake.until(condition, SECONDS)


@contextlib.asynccontextmanager
async def client_of(fake: FakeComfyUI) -> AsyncIterator[Client]:
    async with plain_http.AsyncClient(base_url=fake.url, timeout=SECONDS) as http:
        yield Client(fake, http)


@contextlib.asynccontextmanager
async def fresh(**options: Any) -> AsyncIterator[Client]:
    """A client of a fake of its own."""
    async with running_fake(**options) as fake, client_of(fake) as client:
        yield client
