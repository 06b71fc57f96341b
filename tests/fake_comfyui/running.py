"""A fake ComfyUI on a real port, inside the current event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from tests.fake_comfyui.app import create_app_for
from tests.fake_comfyui.faults import FaultSetting
from tests.fake_comfyui.options import FakeOptions, Version
from tests.fake_comfyui.server import listener, server_config
from tests.fake_comfyui.state import FakeComfyUI


class EmbeddedServer(uvicorn.Server):
    """Leaves the signal handlers to the program around it; starts and stops without polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        await self.stopping.wait()


@contextlib.asynccontextmanager
async def running_fake(port: int = 0, **options: Any) -> AsyncIterator[FakeComfyUI]:
    """A fake at work on loopback, its address in `.url`.

    Options are FakeOptions' fields; `version` may be a string, `faults` strings as on the
    command line: `running_fake(version="0.3.64", faults=["drop_ws:once"])`.
    """
    fake = FakeComfyUI(_options(**options))
    bound = listener("127.0.0.1", port)
    fake.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    server = EmbeddedServer(server_config(create_app_for(fake), log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="fake-comfyui-server")
    try:
        await _until_listening(server, serving)
        yield fake
    finally:
        fake.faults.clear()
        server.stopping.set()
        await serving


async def _until_listening(server: EmbeddedServer, serving: asyncio.Task[None]) -> None:
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait({listening, serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        listening.cancel()
        serving.result()
        raise RuntimeError("the fake ComfyUI did not start")


def _options(**given: Any) -> FakeOptions:
    settings = [
        FaultSetting.parse(one) if isinstance(one, str) else one for one in given.pop("faults", ())
    ]
    version = Version(given.pop("version", Version.NEW))
    return FakeOptions(version=version, faults=tuple(settings), **given)
