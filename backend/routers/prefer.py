"""`Prefer: wait=N` (RFC 7240)."""

import re
from typing import Annotated

from fastapi import Depends, Header

MAX_WAIT = 90
"""Seconds. A pod's proxy gives up on a silent request after about 100."""
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?0*(\d+)\"?\s*(?=$|[,;])", re.IGNORECASE)


def preferred_wait(prefer: list[str] | None) -> int | None:
    """Seconds to wait, at most 90; None where the client did not ask, or asked for nonsense."""
    match = WAIT.search(", ".join(prefer or ()))
    # Three digits tell whether it is more than 90, and Python refuses thousands of them.
    return min(int(match.group(1)[:3]), MAX_WAIT) if match else None


# Async, though it waits for nothing: FastAPI sends all others to a thread.
async def _wait_of(
    prefer: Annotated[
        list[str] | None,
        Header(description=f"`wait=N`: answer once the task has ended, within N ≤ {MAX_WAIT} s."),
    ] = None,
) -> int | None:
    return preferred_wait(prefer)


PreferredWait = Annotated[int | None, Depends(_wait_of)]
