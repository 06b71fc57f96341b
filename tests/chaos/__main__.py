"""Kill everything at random while tasks come in, and see that none is lost.

    python -m tests.chaos --tasks 1000 --seconds 60 --seed 1 [--store postgresql [--outage 60]]

Starts the real programs with the fake ComfyUI, kills each with SIGKILL at moments that the seed
decides, and waits until all tasks have ended. With PostgreSQL there are two of each, and the server
is stopped with `immediate` as well. Exits with 0 where every accepted task is done, has
ended once and has its own image, every key gave one task, and nothing ran twice but for a killed
ComfyUI.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.chaos.report import report
from tests.chaos.run import Chaos, Plan, run_chaos


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    add = arguments.add_argument
    add("--tasks", type=int, default=1000)
    add("--seconds", type=float, default=60.0, help="how long tasks come in and programs die")
    add("--seed", type=int, default=1)
    add("--job-seconds", type=float, default=0.3, help="how long one job takes in ComfyUI")
    add("--store", choices=["sqlite", "postgresql"], default="sqlite")
    add("--outage", type=float, default=0.0, help="seconds without PostgreSQL, after the kills")
    add("--folder", type=Path, help="keep logs and data there; else only after findings")
    return arguments


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> int:
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, _terminated)  # As Ctrl-C: the programs end with us.
    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        options.tasks,
        options.seconds,
        options.seed,
        options.job_seconds,
        options.store == "postgresql",
        options.outage,
    )
    print(plan, flush=True)  # noqa: T201
    chaos: Chaos | None = None
    try:
        chaos = run_chaos(folder, plan)
    finally:
        if options.folder is None and chaos is not None and not chaos.findings:
            shutil.rmtree(folder)
        else:
            print(f"logs and data: {folder}")  # noqa: T201
    print(report(chaos))  # noqa: T201
    return 1 if chaos.findings else 0


if __name__ == "__main__":
    sys.exit(main())
