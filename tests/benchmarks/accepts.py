"""What it costs to accept a task that will not be lost, and how soon it is taken up.

    python -m tests.benchmarks.accepts [--rounds 5] [--requests 1500] [--pickups 40]

Each round asks three servers for the same, one after the other, so that all meet the same noise:

- a bare FastAPI route that parses the same request and answers the same body;
- the backend with tables that are all but empty;
- the backend with 10,000 tasks queued and 100,000 finished.

All are `uvicorn` processes with its default settings, and both backends start anew in each round.
Accepts: `POST /generate` with 1 and 32 clients on open connections. The GPU services stand still
(SIGSTOP) meanwhile: running what was accepted before would be measured instead, on the same cores.
Their catalogue is known, so that modes and parameters are checked as in life.

Pick-up: from the moment the client sends until the task's `started_at`, one task at a time, with an
idle GPU service. The 10,000 wait for another one, which does not answer.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests import plain_http
from tests.benchmarks.filled import fill
from tests.benchmarks.load import Load, burst
from tests.benchmarks.stage import ELSEWHERE, Stage, stage, stopped

QUEUED, FINISHED = 10_000, 100_000
FEW = 20
"""Tasks that keep the other GPU service's slots from looking for some at each accept."""
CLIENTS = (1, 32)
BODY = json.dumps(
    {
        "mode": "free",
        "prompt": "a lighthouse at dawn",
        "extra_params": {"width": 512, "height": 384, "seed": 7},
    }
).encode()
PICKED_UP = {"mode": "selftest", "extra_params": {"width": 8, "height": 8}}
SHARE_AT_ONE = 5
"""One client sends so much less than many do: it takes as long."""


@dataclass
class Measured:
    """Of all rounds of one server: bursts by number of clients; pick-ups in seconds."""

    name: str
    loads: dict[int, list[Load]] = field(default_factory=lambda: {each: [] for each in CLIENTS})
    pickups: list[float] = field(default_factory=list)

    async def accept(self, url: str, requests: int) -> None:
        """A burst for each number of clients."""
        for clients in CLIENTS:
            count = requests if clients > 1 else requests // SHARE_AT_ONE
            await burst(f"{url}/generate", BODY, requests=count // 5, clients=clients)  # Warms up.
            load = await burst(f"{url}/generate", BODY, requests=count, clients=clients)
            self.loads[clients].append(load)

    async def pick_up(self, url: str, tasks: int) -> None:
        """Some tasks, each sent when the one before it has ended."""
        async with plain_http.AsyncClient(base_url=url, timeout=60) as http:
            for number in range(tasks + 1):
                sent = time.time()
                reply = await http.post("/generate", json=PICKED_UP, headers={"Prefer": "wait=30"})
                task = reply.json()
                assert task["status"] == "done", task
                if number:  # The first opens connections.
                    started = datetime.fromisoformat(task["started_at"].replace("Z", "+00:00"))
                    self.pickups.append(started.timestamp() - sent)

    def rate(self, clients: int) -> float:
        """Answers per second: the median round."""
        return statistics.median(load.rate for load in self.loads[clients])

    def latency(self, clients: int, percentile: int) -> float:
        """In milliseconds, over all rounds."""
        latencies = [each for load in self.loads[clients] for each in load.latencies]
        return statistics.quantiles(latencies, n=100)[percentile - 1] * 1000

    @property
    def pickup(self) -> float:
        """Median, in milliseconds."""
        return statistics.median(self.pickups) * 1000


def measure(staged: Stage, empty: Path, full: Path, options: argparse.Namespace) -> list[Measured]:
    """All rounds."""
    servers = [Measured("bare route"), Measured("empty tables"), Measured("full tables")]
    bare, *backends = servers
    for _ in range(options.rounds):
        asyncio.run(bare.accept(staged.bare.url, options.requests))
        for server, template in zip(backends, (empty, full), strict=True):
            with staged.backend_on(template) as url:
                asyncio.run(server.pick_up(url, options.pickups))
                with stopped(staged.gpu_servers[0]):
                    asyncio.run(server.accept(url, options.requests))
                    staged.backend.stop()
    return servers


def report(bare: Measured, empty: Measured, full: Measured) -> Iterator[str]:
    """The table, and how it compares with what was aimed at."""
    yield "             clients | accepts/s   p50 ms   p99 ms | of bare | client's own CPU"
    for server in (bare, empty, full):
        for clients in CLIENTS:
            share = server.rate(clients) / bare.rate(clients)
            busy = statistics.median(load.busy for load in server.loads[clients])
            yield (
                f"{server.name:12} {clients:7} | {server.rate(clients):9.0f} "
                f"{server.latency(clients, 50):8.2f} {server.latency(clients, 99):8.2f} |"
                f" {share:7.2f} | {busy:.0%} of a core"
            )
    most = max(CLIENTS)
    share = empty.rate(most) / bare.rate(most)
    slower = 1 - full.rate(most) / empty.rate(most)
    yield f"pick-up, median ms: {empty.pickup:.1f} empty, {full.pickup:.1f} full (aim: under 10)"
    yield f"of the bare route at {most} clients: {share:.2f} (aim: 0.25)"
    yield (
        f"full tables: accepts {slower:+.0%} slower, pick-up "
        f"{full.pickup / empty.pickup - 1:+.0%} slower (aim: at most 20%)"
    )


def main() -> None:
    """Fill the tables, start what is needed, measure, and stop it again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1500, help="with 32 clients, each round")
    parser.add_argument("--pickups", type=int, default=40, help="tasks in each round")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        empty, full = folder / "empty", folder / "full"
        asyncio.run(fill(empty, ELSEWHERE, queued=FEW, finished=0))
        begun = time.perf_counter()
        asyncio.run(fill(full, ELSEWHERE, queued=QUEUED, finished=FINISHED))
        size = (full / "tasks.sqlite3").stat().st_size / 1e6
        seconds = time.perf_counter() - begun
        print(f"filled the tables in {seconds:.0f} s: {size:.0f} MB", flush=True)  # noqa: T201
        staged = stack.enter_context(stage(folder))
        staged.start()
        print("\n".join(report(*measure(staged, empty, full, options))))  # noqa: T201


if __name__ == "__main__":
    main()
