"""How long the page takes on a cold load from loopback, and what it weighs.

    python -m tests.benchmarks.page --runs 15

Each run is a visitor with an empty cache. Usable: a prompt can be typed and sent.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import async_playwright

from tests.browser.chromium import chromium
from tests.browser.gateway import gateway
from tests.browser.loading import ColdLoad, cold_load


async def visits(url: str, runs: int) -> list[ColdLoad]:
    """One after the other; one before them, which does not count, warms up the programs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium())
        loads = [await cold_load(browser, url) for _ in range(runs + 1)]
        await browser.close()
    return loads[1:]


def report(loads: Sequence[ColdLoad]) -> str:
    """What is to be read."""
    times = sorted(load.seconds * 1000 for load in loads)
    heaviest = max(loads, key=lambda load: load.weight)
    return (
        f"usable after {statistics.median(times):.0f} ms in the middle of {len(times)} runs "
        f"({times[0]:.0f} to {times[-1]:.0f})\n"
        f"{heaviest.weight / 1000:.1f} kB in {len(heaviest.weights)} files, without images\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=15)
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder)) as programs:
        sys.stdout.write(report(asyncio.run(visits(programs.url, wanted.runs))))


if __name__ == "__main__":
    main()
