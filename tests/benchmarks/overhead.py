"""What the two steps between a client and ComfyUI cost.

    python -m tests.benchmarks.overhead [--comfyui URL] [--jobs 64] [--rounds 3]

Drives the same ComfyUI (the fake, unless a URL is given) with the same model-free graph twice in
each round: directly (websocket, /prompt, /history, /view) and through client → backend → GPU
service → ComfyUI → image in the client's hand (`Prefer: wait`). Prints the median latency and the
jobs per second of both. Rounds alternate, so that both meet the same noise.
"""

import argparse
import asyncio
import base64
import json
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests import plain_http
from tests.acceptance.processes import pair

SIZES = (64, 1024)
IN_FLIGHT = (1, 8, 32)
PNG = b"\x89PNG"

Job = Callable[[int], Awaitable[bytes]]


@dataclass
class Measured:
    """Of all rounds of one way to do it."""

    latencies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def latency(self) -> float:
        """Median, in milliseconds."""
        return statistics.median(self.latencies) * 1000

    @property
    def rate(self) -> float:
        """Jobs per second: the median round."""
        return statistics.median(self.rates)


class DirectClient:
    """As lean as one can drive ComfyUI: one websocket for all jobs, three requests for each."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._client_id = uuid.uuid4().hex
        self._ended: dict[str, asyncio.Event] = {}

    def connected(self) -> connect:
        """The socket, to be entered; then `listen` to it."""
        url = self._url.replace("http", "ws", 1)
        return connect(f"{url}/ws?clientId={self._client_id}", max_size=None, proxy=None)

    async def listen(self, socket: ClientConnection) -> None:
        """Wake whoever waits for a job that has ended."""
        async for message in socket:
            if isinstance(message, str) and '"executing"' in message:
                data = json.loads(message)["data"]
                if data.get("node") is None and data.get("prompt_id") in self._ended:
                    self._ended[data["prompt_id"]].set()

    async def job(self, size: int) -> bytes:
        """One image."""
        prompt_id = str(uuid.uuid4())
        ended = self._ended[prompt_id] = asyncio.Event()
        body = {"prompt": graph(size), "prompt_id": prompt_id, "client_id": self._client_id}
        (await self._http.post(f"{self._url}/prompt", json=body)).raise_for_status()
        await ended.wait()
        entry = (await self._http.get(f"{self._url}/history/{prompt_id}")).json()[prompt_id]
        file = entry["outputs"]["2"]["images"][0]
        return (await self._http.get(f"{self._url}/view", params=file)).content


class GatewayClient:
    """One request, which waits."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    async def job(self, size: int) -> bytes:
        """One image."""
        params = {"width": size, "height": size, "color": random.randrange(2**24)}
        body = {"mode": "selftest", "extra_params": params}
        reply = await self._http.post(
            f"{self._url}/generate", json=body, headers={"Prefer": "wait=90"}
        )
        answer: dict[str, Any] = reply.json()
        assert answer.get("status") == "done", answer
        return base64.b64decode(answer["image"])


def graph(size: int) -> dict[str, Any]:
    """The shipped self-test, with a colour that no run before had."""
    colour = random.randrange(2**24)
    canvas = {"width": size, "height": size, "batch_size": 1, "color": colour}
    save = {"images": ["1", 0], "filename_prefix": f"direct/{uuid.uuid4()}"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": canvas},
        "2": {"class_type": "SaveImage", "inputs": save},
    }


async def measure(job: Job, size: int, jobs: int, in_flight: int, into: Measured) -> None:
    """Run `jobs` jobs, so many at once."""
    left = iter(range(jobs))

    async def client() -> None:
        for _ in left:
            begun = time.perf_counter()
            image = await job(size)
            into.latencies.append(time.perf_counter() - begun)
            assert image.startswith(PNG)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(in_flight)))
    into.rates.append(jobs / (time.perf_counter() - begun))


async def compare(comfyui: str, backend: str, jobs: int, rounds: int) -> None:
    """Both ways, for each size and each number of jobs in flight."""
    limits = httpx.Limits(max_connections=None)
    async with plain_http.AsyncClient(timeout=120, limits=limits) as http:
        direct, gateway = DirectClient(http, comfyui), GatewayClient(http, backend)
        async with direct.connected() as socket:
            listening = asyncio.create_task(direct.listen(socket))
            print("size  in flight | direct: ms  jobs/s | gateway: ms  jobs/s | added ms  share")  # noqa: T201
            for size in SIZES:
                for in_flight in IN_FLIGHT:
                    ways = Measured(), Measured()
                    for _ in range(rounds):
                        await measure(direct.job, size, jobs, in_flight, ways[0])
                        await measure(gateway.job, size, jobs, in_flight, ways[1])
                    _report(size, in_flight, *ways)
            listening.cancel()


def _report(size: int, in_flight: int, direct: Measured, gateway: Measured) -> None:
    added, share = gateway.latency - direct.latency, gateway.rate / direct.rate
    print(  # noqa: T201
        f"{size:4}  {in_flight:9} | {direct.latency:10.1f}  {direct.rate:6.1f} |"
        f" {gateway.latency:11.1f}  {gateway.rate:6.1f} | {added:8.1f}  {share:5.2f}",
        flush=True,
    )


def main() -> None:
    """Start what is needed, compare, and stop it again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--comfyui", help="a ComfyUI that runs already")
    parser.add_argument("--jobs", type=int, default=64, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        programs = stack.enter_context(pair(folder, engine="comfyui"))
        comfyui = options.comfyui
        if comfyui is None:
            programs.comfyui.start()
            comfyui = programs.comfyui.url
        programs.gpu_server.environment["COMFYUI_API_URL"] = comfyui
        programs.gpu_server.start()
        programs.backend.start()
        asyncio.run(compare(comfyui, programs.backend.url, options.jobs, options.rounds))


if __name__ == "__main__":
    main()
