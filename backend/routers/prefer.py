"""`Prefer: wait=N` (RFC 7240), and `Prefer: wait`."""

import re
from typing import Annotated

from fastapi import Depends, Header

MAX_WAIT = 90
"""Seconds. A pod's proxy gives up on a silent request after about 100."""
USUAL_WAIT = 60
"""Seconds, where the client says no number: as Replicate's API has it."""
PREFER = (
    f"`wait=N`: answer once the task has ended, within N ≤ {MAX_WAIT} s. "
    f"`wait` alone is `wait={USUAL_WAIT}`."
)
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*(?:=\s*\"?(\d+)\"?\s*)?(?=$|[,;])", re.IGNORECASE)


def preferred_wait(prefer: list[str] | None) -> int | None:
    """Seconds to wait, at most 90; None where the client did not ask, or asked for nonsense."""
    match = WAIT.search(", ".join(prefer or ()))
    if match is None:
        return None
    if match[1] is None:
        return USUAL_WAIT
    # Three digits tell whether it is more than 90, and Python refuses thousands of them.
    return min(int(match[1].lstrip("0")[:3] or "0"), MAX_WAIT)


# Async, though it waits for nothing: FastAPI sends all others to a thread.
async def _wait_of(
    prefer: Annotated[
        list[str] | None,
        Header(description=PREFER),
    ] = None,
) -> int | None:
    return preferred_wait(prefer)


PreferredWait = Annotated[int | None, Depends(_wait_of)]
