"""What can be told of the backend: `python -m backend.doctor REQUIREMENTS_FILE...`.

Prints a line for each finding, see `finding.py`; `startup.sh doctor` shows them.
"""

import asyncio
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from backend.doctor.finding import Finding, red

BROKEN = "./startup.sh restart installs what is missing; else remove venv/ and start"


def findings(requirements: Sequence[Path]) -> Iterator[Finding]:
    """In the order of what stands on what."""
    yield from _part("packages").look(requirements)
    settings, found = _part("settings").look()
    yield from found
    if settings is not None:
        yield from _part("certificate").look(settings)
        yield from _part("storage").look(settings)
        yield from asyncio.run(_part("gpu_services").look(settings))


def _part(name: str) -> Any:
    """Not before its turn: what stands before it tells which package it may lack."""
    return importlib.import_module(f"backend.doctor.{name}")


def main(arguments: Sequence[str]) -> None:
    """Each line as soon as it is known."""
    try:
        for finding in findings([Path(each) for each in arguments]):
            print(finding.line(), flush=True)  # noqa: T201 - that is what it is for
    except ImportError as exc:
        print(red("packages", f"the environment is broken: {exc}", BROKEN).line())  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
