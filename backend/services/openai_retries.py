"""OpenAI's clients try again by themselves, without a key that would say so.

All that tells such a try is the header `X-Stainless-Retry-Count`. So an order that came without a
key gets one here, and while nobody has had its answer, the same order tried again gets the same.
"""

import secrets
from collections import OrderedDict
from contextlib import suppress
from functools import partial

from backend.access import Caller
from backend.heavy import in_turn
from backend.large_texts import fingerprint
from backend.schemas.openai_images import ImageRequest

MOST = 10_000
"""Orders that are remembered; of more, the oldest are forgotten."""


class OrderKeys:
    """Of one process: a backend that was started anew makes the images of such a try again."""

    def __init__(self) -> None:
        self._unanswered: OrderedDict[str, list[str]] = OrderedDict()

    async def key(self, caller: Caller, *parts: ImageRequest | str | None, retry: bool) -> str:
        """The idempotency key for this order, of which these are the `parts`."""
        place = await in_turn(partial(_place, caller, *parts))
        waiting = self._unanswered.setdefault(place, [])
        if not (retry and waiting):
            waiting.append(f"{place}-{secrets.token_hex(8)}")
        self._unanswered.move_to_end(place)
        if len(self._unanswered) > MOST:
            self._unanswered.popitem(last=False)
        return waiting[-1]

    def answered(self, key: str) -> None:
        """Its client has an answer, good or bad: who asks again wants another."""
        place = key.rpartition("-")[0]
        waiting = self._unanswered.get(place, [])
        with suppress(ValueError):
            waiting.remove(key)
        if not waiting:
            self._unanswered.pop(place, None)


def _place(caller: Caller, *parts: ImageRequest | str | None) -> str:
    told = [
        part.model_dump(mode="json") if isinstance(part, ImageRequest) else part for part in parts
    ]
    return f"openai-{fingerprint([caller.key_id, *told])}"
