"""Ports for the programs that tests start: each is given out once.

A port that the kernel picks (bind to 0, and close) may be given to the next who asks, and to any
outgoing connection: two programs then listen, and the one that answers is the wrong one. These
lie below what the kernel gives out, and each process of tests has a block of its own.
"""

import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache

FIRST, END = 20_000, 32_000
BLOCK = 500


def free_port() -> int:
    """A port that nobody listens on, and that no other test is given."""
    return next(port for port in _ports(os.getpid()) if is_free(port))


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


@cache
def _ports(pid: int) -> Iterator[int]:
    """The ports of a block that this process keeps until it ends, over and over."""
    for first in range(FIRST, END, BLOCK):
        # Bound for as long as we live, to a name that is nowhere on disk.
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0gateway-tests-ports-{first}")
        except OSError:
            claim.close()
            continue
        return _kept(claim, itertools.cycle(range(first, first + BLOCK)))
    raise RuntimeError(f"all ports from {FIRST} to {END} belong to other runs of the tests")


def _kept(claim: socket.socket, ports: Iterator[int]) -> Iterator[int]:
    with claim:
        yield from ports
