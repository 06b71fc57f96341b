"""The one websocket to ComfyUI: opened again whenever it is lost."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gpu_server.comfyui.messages import ImageFrame, Message
from gpu_server.comfyui.socket import ComfyUISocket
from tests.conditions import eventually
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Ear:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.frames: list[ImageFrame] = []
        self.deafened = 0

    def heard(self, message: Message) -> None:
        self.messages.append(message)

    def saw(self, frame: ImageFrame) -> None:
        self.frames.append(frame)

    def deaf(self) -> None:
        self.deafened += 1


async def nothing() -> None:
    """For who does not care for connections."""


async def test_each_connection_has_a_client_id_of_its_own(idle_fake: FakeComfyUI) -> None:
    """Protocol: a reconnect under the same id can unregister the new socket."""
    async with ComfyUISocket(idle_fake.url, nothing) as socket:
        assert await socket.ready(2)
        first = socket.client_id
        await idle_fake.hub.close_all()
        await eventually(lambda: not socket.is_open)
        assert await socket.ready(2)
        assert socket.client_id != first


async def test_connection_is_told_each_time(idle_fake: FakeComfyUI) -> None:
    told = asyncio.Queue[None]()
    async with ComfyUISocket(idle_fake.url, lambda: told.put(None)) as socket:
        await asyncio.wait_for(told.get(), 2)
        await idle_fake.hub.close_all()
        await asyncio.wait_for(told.get(), 3)
        assert socket.is_open


async def test_listeners_are_told_that_the_socket_is_lost(idle_fake: FakeComfyUI) -> None:
    ear = Ear()
    async with ComfyUISocket(idle_fake.url, nothing) as socket:
        await socket.ready(2)
        with socket.listening("a", ear):
            await idle_fake.hub.close_all()
            await eventually(lambda: ear.deafened)


async def test_listener_hears_of_its_own_job_only(idle_fake: FakeComfyUI) -> None:
    mine, other = Ear(), Ear()
    async with ComfyUISocket(idle_fake.url, nothing) as socket:
        await socket.ready(2)
        with socket.listening("a", mine), socket.listening("b", other):
            for prompt_id in ("a", "b", "c", None):
                idle_fake.hub.publish("progress", {"prompt_id": prompt_id}, socket.client_id)
            await eventually(lambda: other.messages)
    assert [message.prompt_id for message in mine.messages] == ["a"]
    assert [message.prompt_id for message in other.messages] == ["b"]


async def test_frame_without_a_name_belongs_to_the_job_that_executes(
    idle_fake: FakeComfyUI,
) -> None:
    mine, other = Ear(), Ear()
    frame = b"\0\0\0\1\0\0\0\1jpeg"
    async with ComfyUISocket(idle_fake.url, nothing) as socket:
        await socket.ready(2)
        with socket.listening("a", mine), socket.listening("b", other):
            idle_fake.hub.publish("executing", {"prompt_id": "b", "node": "3"}, socket.client_id)
            idle_fake.hub.publish_bytes(frame, socket.client_id)
            await eventually(lambda: other.frames)
    assert (mine.frames, other.frames[0].image) == ([], b"jpeg")


NONSENSE: list[str | bytes] = [
    "",
    "null",
    "[]",
    "{",
    '{"type": "progress"}',
    '{"type": "progress_state", "data": {"prompt_id": "a", "nodes": 7}}',
    b"",
    b"\0\0\0\4\xff\xff\xff\xff",
    b"\0\0\0\4\0\0\0\2{}",
    b"\0\0\0\4\0\0\0\1[",
    b"\0\0\0\4\0\0\0\2[]",
]


@pytest.mark.parametrize("frame", NONSENSE, ids=repr)
async def test_frame_that_nobody_can_use_does_no_harm(
    idle_fake: FakeComfyUI, frame: str | bytes
) -> None:
    ear = Ear()
    async with ComfyUISocket(idle_fake.url, nothing) as socket:
        await socket.ready(2)
        with socket.listening("a", ear):
            for each in (frame, '{"type": "progress", "data": {"prompt_id": "a"}}'):
                idle_fake.hub._messages.put_nowait((each, socket.client_id))
            await eventually(lambda: [one for one in ear.messages if one.kind == "progress"])
    assert ear.deafened == 0


async def test_waiting_for_nobody_is_short() -> None:
    async with ComfyUISocket(NOBODY, nothing) as socket:
        assert await asyncio.wait_for(socket.ready(5), 1) is False


@asynccontextmanager
async def deaf_server() -> AsyncIterator[tuple[str, list[StreamWriter]]]:
    """Takes connections and says nothing; the list is of those."""
    writers: list[StreamWriter] = []

    async def take(_: StreamReader, writer: StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", writers
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def test_server_that_says_nothing_is_tried_again() -> None:
    """Before Python 3.11, asyncio's TimeoutError is not the builtin one."""
    async with (
        deaf_server() as (url, connections),
        ComfyUISocket(url, nothing, open_seconds=0.05) as socket,
    ):
        for _ in range(3):
            assert await socket.ready(1) is False
        await eventually(lambda: len(connections) >= 3)


@pytest.mark.parametrize(
    "url", ["http://a..b:1", "http://localhost:port", "", "ftp://x", "http://["]
)
async def test_address_that_is_none_ends_nothing(url: str) -> None:
    async with ComfyUISocket(url, nothing) as socket:
        for _ in range(2):
            assert await socket.ready(2) is False


async def test_leaving_leaves_no_task(idle_fake: FakeComfyUI) -> None:
    before = len(asyncio.all_tasks())
    async with ComfyUISocket(idle_fake.url, nothing) as socket:
        await socket.ready(2)
    await eventually(lambda: len(asyncio.all_tasks()) == before)
    await idle_fake.until(lambda: idle_fake.open_sockets == 0)
