"""The real program in a process of its own, on a free port."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import plain_http
from tests.checkout import clean_environment
from tests.conditions import eventually

GPU_SERVER = Path(__file__).resolve().parents[2] / "gpu_server"
START_SECONDS = 20.0


@dataclass(frozen=True)
class Program:
    """A started program that answers."""

    process: Process
    http: httpx.AsyncClient
    log: Path

    async def exit_code(self, seconds: float = 5.0) -> int:
        """How it ended; TimeoutError where it has not within `seconds`."""
        return await asyncio.wait_for(self.process.wait(), seconds)


@asynccontextmanager
async def program(
    folder: Path, *command: str, port: int, **environment: str
) -> AsyncIterator[Program]:
    """`python command`, started from inside gpu_server/; its log is in `folder`."""
    log = folder / "program.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=GPU_SERVER,
            env={
                **clean_environment(),
                "OBJECT_INFO_PATH": str(folder / "info.json"),
                **environment,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    async with plain_http.AsyncClient(base_url=url, timeout=30) as http:

        async def answers() -> bool:
            assert process.returncode is None, log.read_text()
            try:
                return (await http.get("/health")).status_code == 200
            except httpx.TransportError:
                return False

        try:
            await eventually(answers, START_SECONDS)
            yield Program(process, http, log)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
