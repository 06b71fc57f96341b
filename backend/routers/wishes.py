"""What a client says of a task in headers: `Idempotency-Key`, `X-Priority`, `Cancel-After`."""

from typing import Annotated

from fastapi import Depends, Header

from backend.durations import duration
from backend.errors import InvalidInput
from backend.services.generation_router import Wishes
from backend.tasks import Priority

LEAST, MOST = 5, 30 * 86400
CANCEL_AFTER = "`90`, `90s`, `5m`, `2h`: the task is cancelled if it has not ended by then."
KEY = "The same key and request give the same task, however often they are sent."
PRIORITY = "Goes before those of a lower one, for as long as nobody else waits too long for it."


def seconds_of(text: str) -> float:
    """`90`, `90s`, `1.5m`, `2h`, `1d` in seconds. Raises InvalidInput."""
    seconds = duration(text) or 0.0
    if not LEAST <= seconds <= MOST:
        raise InvalidInput(
            f"Cancel-After is a time such as 90s, 5m or 2h, from {LEAST} seconds to 30 days, "
            f"not {text[:40]!r}.",
            parameter="Cancel-After",
        )
    return seconds


# Async, though it waits for nothing: FastAPI sends all others to a thread.
async def _wishes_of(
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, description=KEY)
    ] = None,
    x_priority: Annotated[Priority, Header(description=PRIORITY)] = Priority.NORMAL,
    cancel_after: Annotated[str | None, Header(description=CANCEL_AFTER)] = None,
) -> Wishes:
    return Wishes(
        idempotency_key=idempotency_key,
        priority=x_priority,
        cancel_after=None if cancel_after is None else seconds_of(cancel_after),
    )


StatedWishes = Annotated[Wishes, Depends(_wishes_of)]
