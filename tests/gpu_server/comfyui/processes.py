"""The fake ComfyUI as a process of its own, to be killed and started again on its port."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests import plain_http
from tests.conditions import eventually
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 20.0


class ComfyUIProcess:
    """At `url`, while it runs. What it has in memory goes with it; `arguments` as on its line."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._port = free_port()
        self._process: Process | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the one that was started last."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        command = ("-m", "tests.fake_comfyui", "--port", str(self._port), *self._arguments)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=os.environ, stdin=DEVNULL, stdout=DEVNULL
        )

        async def answers() -> bool:
            try:
                return bool(await self.state())
            except httpx.TransportError:
                return False

        await eventually(answers, START_SECONDS)

    async def kill(self) -> None:
        """SIGKILL: it has no time for anything."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def state(self) -> dict[str, Any]:
        """What it has seen since it started."""
        async with plain_http.AsyncClient(base_url=self.url) as http:
            state: dict[str, Any] = (await http.get("/fake/state")).json()
            return state

    async def set(self, *faults: str) -> None:
        """Switch faults on, as on the command line."""
        await self._faults(set=list(faults))

    async def clear(self, *faults: str) -> None:
        await self._faults(clear=list(faults))

    async def _faults(self, **body: list[str]) -> None:
        async with plain_http.AsyncClient(base_url=self.url) as http:
            (await http.post("/fake/faults", json=body)).raise_for_status()

    async def is_running_a_job(self) -> bool:
        async with plain_http.AsyncClient(base_url=self.url) as http:
            return bool((await http.get("/queue")).json()["queue_running"])


@asynccontextmanager
async def comfyui_process(*arguments: str) -> AsyncIterator[ComfyUIProcess]:
    """A started one; killed at the end."""
    process = ComfyUIProcess(*arguments)
    try:
        await process.start()
        yield process
    finally:
        await process.kill()
