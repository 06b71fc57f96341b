"""How `/health` answers, and how much memory the backend takes, while clients misbehave.

All in one run: alone, with half-sent requests, with streams of which some never read, with large
bodies, and with all of them together. Then how long a stop takes with the streams open.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests import plain_http
from tests.acceptance.processes import Pair, eventually, pair

FILES = 20_000
"""That this process wants to have open."""
LOOKS = 60
"""At `/health` in each stage, one every 50 ms."""
PAUSE = 0.05
WIDTH = 4000
"""Pixels, of a large picture."""
BODIES = 4
"""Large ones at the same time."""


LOOKER = """
import sys, time, httpx
url, looks, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with httpx.Client(trust_env=False, timeout=30) as client:
    for _ in range(looks):
        begun = time.perf_counter()
        client.get(url).raise_for_status()
        print(time.perf_counter() - begun, flush=True)
        time.sleep(pause)
"""


@dataclass
class Stage:
    """What was seen while something went on."""

    name: str
    latencies: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    def line(self) -> str:
        """For the table; in milliseconds and MB."""
        times = sorted(each * 1000 for each in self.latencies)
        p99 = times[min(int(len(times) * 0.99), len(times) - 1)]
        return (
            f"{self.name:34} | {statistics.median(times):7.1f} {p99:7.1f} {times[-1]:7.1f} |"
            f" {self.megabytes:6.0f}"
        )


class Pressure:
    """Clients of one backend."""

    def __init__(self, programs: Pair, options: argparse.Namespace) -> None:
        self._programs = programs
        self._options = options
        self._port = programs.backend.port

    async def look(self, name: str) -> Stage:
        """Ask for `/health` again and again, as a load balancer does: from another process."""
        stage = Stage(name)
        url = f"{self._programs.backend.url}/health"
        looker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LOOKER, url, str(LOOKS), str(PAUSE)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert looker.stdout is not None
        while line := await looker.stdout.readline():
            stage.latencies.append(float(line))
            megabytes = self._programs.backend.resident_megabytes()
            stage.megabytes = max(stage.megabytes, megabytes)
        assert await looker.wait() == 0
        return stage

    @asynccontextmanager
    async def half_open(self) -> AsyncIterator[None]:
        """Half of them stop in the head, half in the body."""
        head = b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        half = [head, head + b'Content-Length: 1000\r\n\r\n{"mode": "']
        count = self._options.half_open
        async with self._connections(half[each % 2] for each in range(count)):
            yield

    @asynccontextmanager
    async def streams(self, task_id: str) -> AsyncIterator[list[int]]:
        """Readers of a task's story, and some who never read; how much each reader got."""
        request = f"GET /tasks/{task_id}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        dead = self._options.dead
        got = [0] * (self._options.streams - dead)

        async def read(number: int, reader: asyncio.StreamReader) -> None:
            while data := await reader.read(65_536):
                got[number] += len(data)

        async with (
            self._connections(request for _ in range(dead)),
            self._connections(request for _ in got) as readers,
        ):
            reading = [asyncio.create_task(read(n, each)) for n, each in enumerate(readers)]
            try:
                yield got
            finally:
                for each in reading:
                    each.cancel()
                await asyncio.gather(*reading, return_exceptions=True)

    @asynccontextmanager
    async def bodies(self) -> AsyncIterator[list[int]]:
        """Large requests, one after the other on several connections; the statuses they got."""
        image = base64.b64encode(_noise(self._options.megabytes * 750_000)).decode()
        body = json.dumps({"mode": "image_to_image", "prompt": "p", "target_image": image}).encode()
        statuses: list[int] = []

        async def send() -> None:
            async with plain_http.AsyncClient(timeout=120) as client:
                while True:
                    reply = await client.post(
                        f"{self._programs.backend.url}/generate",
                        content=body,
                        headers={"Content-Type": "application/json"},
                    )
                    statuses.append(reply.status_code)

        sending = [asyncio.create_task(send()) for _ in range(BODIES)]
        try:
            yield statuses
        finally:
            for each in sending:
                each.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    @asynccontextmanager
    async def _connections(
        self, requests: Iterator[bytes]
    ) -> AsyncIterator[list[asyncio.StreamReader]]:
        """One each, with this sent on it."""
        opened = []
        try:
            for request in requests:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
                writer.write(request)
                opened.append((reader, writer))
            yield [reader for reader, _ in opened]
        finally:
            for _, writer in opened:
                writer.transport.abort()


def _noise(size: int) -> bytes:
    """A valid picture of about so many bytes, which no compression makes smaller."""
    rows = size // (3 * WIDTH)
    picture = io.BytesIO()
    noise = Image.frombytes("RGB", (WIDTH, rows), os.urandom(3 * WIDTH * rows))
    noise.save(picture, "PNG", compress_level=0)
    return picture.getvalue()


async def run(programs: Pair, options: argparse.Namespace) -> None:
    """All stages."""
    task_id = programs.generate({"mode": "free", "prompt": "p"}).json()["task_id"]
    pressure = Pressure(programs, options)
    print(f"{'/health meanwhile, ms':34} |  median     p99     max | MB")  # noqa: T201
    _show(await pressure.look("alone"))
    async with pressure.half_open():
        _show(await pressure.look(f"{options.half_open} half-sent requests"))
    async with pressure.streams(task_id) as got:
        _show(await pressure.look(f"while {options.streams} streams begin"))
        while not all(got):
            await asyncio.sleep(0.1)
        _show(await pressure.look(f"{options.streams} streams, {options.dead} not read"))
        print(f"  each reader got {min(got):,} to {max(got):,} bytes")  # noqa: T201
    _show(await pressure.look("while they all hang up"))
    async with pressure.bodies() as statuses:
        _show(await pressure.look(f"{BODIES} bodies of {options.megabytes} MB at once"))
        print(f"  {len(statuses)} answered: {sorted(set(statuses))}")  # noqa: T201
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pressure.half_open())
        got = await stack.enter_async_context(pressure.streams(task_id))
        while not all(got):
            await asyncio.sleep(0.1)
        await stack.enter_async_context(pressure.bodies())
        _show(await pressure.look("all of it"))
    _show(await pressure.look("while they all hang up"))
    _show(await pressure.look("afterwards"))
    async with pressure.streams(task_id) as got:
        while not all(got):
            await asyncio.sleep(0.1)
        await _stop(programs)


async def _stop(programs: Pair) -> None:
    process = programs.backend.process
    assert process is not None
    begun = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(process.wait, 60)
    seconds = time.perf_counter() - begun
    print(f"stopped with the streams open: {seconds:.2f} s, exit status {status}")  # noqa: T201


def _show(stage: Stage) -> None:
    print(stage.line(), flush=True)  # noqa: T201


def main() -> None:
    """Start a pair with a ComfyUI that works for long, and press."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--half-open", type=int, default=500)
    parser.add_argument("--streams", type=int, default=3000)
    parser.add_argument("--dead", type=int, default=100, help="of the streams, that never read")
    parser.add_argument("--megabytes", type=int, default=50, help="of one large body")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    comfyui = ("--fault", "previews:always", "--job-seconds", "100")
    models = ("--models", "sd_xl_base_1.0.safetensors")
    with (
        tempfile.TemporaryDirectory() as folder,
        pair(Path(folder), engine="comfyui", comfyui=(*comfyui, *models)) as programs,
    ):
        programs.backend.environment |= {"DRAIN_SECONDS": "0", "MAX_IMAGE_SIZE_MB": "100"}
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            program.start()
        eventually(lambda: "engine comfyui" in programs.backend.log.read_text())
        asyncio.run(run(programs, options))


if __name__ == "__main__":
    main()
