"""`Prefer: wait=N` (RFC 7240), and `Prefer: wait`."""

import re
from dataclasses import dataclass
from typing import Annotated

import anyio
from fastapi import Depends, Header, Request

from backend.body_limit import ARRIVED

MAX_WAIT = 90
"""Seconds. A pod's proxy gives up after about 100 silent ones, which begin with the request."""
USUAL_WAIT = 60
"""Seconds, where the client says no number: as Replicate's API has it."""
PREFER = (
    f"`wait=N`: answer once the task has ended, within N ≤ {MAX_WAIT} s of the request's arrival. "
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


@dataclass(frozen=True)
class Wait:
    """One that a client asked for: so many seconds, from its request's arrival on."""

    seconds: int
    until: float
    """By the event loop's clock."""

    @property
    def left(self) -> float:
        """Seconds; none where it took as long to take the request."""
        return max(self.until - anyio.current_time(), 0.0)


# Async, though it waits for nothing: FastAPI sends all others to a thread.
async def _wait_of(
    request: Request, prefer: Annotated[list[str] | None, Header(description=PREFER)] = None
) -> Wait | None:
    seconds = preferred_wait(prefer)
    return None if seconds is None else Wait(seconds, request.scope[ARRIVED] + seconds)


PreferredWait = Annotated[Wait | None, Depends(_wait_of)]
