"""What can be told of the GPU service: `python -m gpu_server.doctor`.

Prints a line for each finding, see `finding.py`; `startup.sh doctor` shows them.
"""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from gpu_server.doctor.finding import Finding


def findings() -> Iterator[Finding]:
    """In the order of what stands on what."""
    settings, found = _part("settings").look()
    yield from found
    yield from _part("gpu").look()
    if settings is not None:
        yield from _part("certificate").look(settings)
        yield from _part("folders").look(settings)
        object_info, found = asyncio.run(_part("comfyui").look(settings))
        yield from found
        yield from _part("workflows").look(settings, object_info)


def _part(name: str) -> Any:
    """Not before its turn: what stands before it is told though a package is missing."""
    return importlib.import_module(f"gpu_server.doctor.{name}")


def main() -> int:
    """Each line as soon as it is known; 1 where a package is missing, which the backend names."""
    try:
        for finding in findings():
            print(finding.line(), flush=True)  # noqa: T201 - that is what it is for
    except ImportError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
