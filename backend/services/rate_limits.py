"""How many requests a caller may send, with the `limits` library; counted in this process."""

import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from backend.access import Caller
from backend.errors import RateLimited

FAILURES = RateLimitItemPerMinute(60)
"""Of keys that are none, from one address. A valid key is let in all the same."""

PRUNE_SECONDS = 10.0
"""Between two looks for counters whose time is over."""
NETWORK = 64
"""Bits of an IPv6 address that are one household's: it has as many addresses as it likes."""


@dataclass(frozen=True)
class Standing:
    """How a caller stands with a limit."""

    quota: int
    window: int
    """Seconds."""
    remaining: int
    reset: int
    """Seconds until there is room again."""
    exceeded: bool

    def check(self) -> None:
        """Raise RateLimited where this request was one too many."""
        if self.exceeded:
            raise RateLimited(
                f"More than {self.quota} requests in {self.window} s. Try again in {self.reset} s.",
                retry_after=self.reset,
            )


class RateLimits:
    """`per_key` and `per_address` are as `60/minute`, or empty for no limit.

    A key with a limit of its own has that one.
    """

    def __init__(self, per_key: str, per_address: str) -> None:
        self._per_key = parse(per_key) if per_key else None
        self._per_address = parse(per_address) if per_address else None
        self._limiter = SlidingWindowCounterRateLimiter(_Storage())

    async def take(self, caller: Caller, address: str) -> Standing | None:
        """One more request; how the caller stands then, None where nothing bounds them."""
        if caller.key_id is None:
            return await self._count(self._per_address, "address", network_of(address))
        own = caller.bounds.requests_per_minute
        limit = self._per_key if own is None else RateLimitItemPerMinute(own)
        return await self._count(limit, "key", caller.key_id)

    async def refused(self, address: str) -> Standing | None:
        """One more request without a valid key."""
        return await self._count(FAILURES, "failure", network_of(address))

    async def _count(self, limit: RateLimitItem | None, *who: str) -> Standing | None:
        if limit is None:
            return None
        allowed = await self._limiter.hit(limit, *who)
        stats = await self._limiter.get_window_stats(limit, *who)
        reset = max(int(stats.reset_time - time.time()) + 1, 1)
        remaining = max(stats.remaining, 0)
        return Standing(limit.amount, limit.get_expiry(), remaining, reset, exceeded=not allowed)


def network_of(address: str) -> str:
    """What is counted as one address; a text that is none stays as it is."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> (128 - NETWORK) << (128 - NETWORK)))


class _Storage(MemoryStorage):
    """The library's, which looks at all its counters at each hit: there may be thousands."""

    def __init__(self) -> None:
        super().__init__()
        self._pruned_at = 0.0

    # The library's private method, by the name that Python gives it.
    async def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802
        now = time.monotonic()
        if now - self._pruned_at >= PRUNE_SECONDS:
            self._pruned_at = now
            await super()._MemoryStorage__schedule_expiry()  # type: ignore[misc]
