"""How many requests a caller may send."""

import pytest

from backend.access import EVERYBODY, Bounds, Caller, Scope
from backend.errors import RateLimited
from backend.services.rate_limits import RateLimits, Standing, network_of


def key(name: str = "k1", per_minute: int | None = None) -> Caller:
    return Caller(name, name, frozenset(Scope), Bounds(requests_per_minute=per_minute))


async def taken(limits: RateLimits, caller: Caller, address: str = "192.0.2.1") -> Standing:
    standing = await limits.take(caller, address)
    assert standing is not None
    return standing


async def test_nothing_is_counted_unless_there_is_a_limit() -> None:
    limits = RateLimits("", "")
    assert await limits.take(EVERYBODY, "192.0.2.1") is None
    assert await limits.take(key(), "192.0.2.1") is None


async def test_one_too_many_is_exceeded() -> None:
    limits = RateLimits("2/minute", "")
    standings = [await taken(limits, key()) for _ in range(3)]
    assert [each.remaining for each in standings] == [1, 0, 0]
    assert [each.exceeded for each in standings] == [False, False, True]
    with pytest.raises(RateLimited, match="More than 2 requests in 60 s") as refused:
        standings[2].check()
    assert 1 <= refused.value.extra["retry_after"] <= 61


async def test_each_key_has_its_own_count() -> None:
    limits = RateLimits("1/minute", "")
    assert not (await taken(limits, key("k1"))).exceeded
    assert not (await taken(limits, key("k2"))).exceeded
    assert (await taken(limits, key("k1"), "192.0.2.9")).exceeded


async def test_key_s_own_limit_goes_before_the_usual_one() -> None:
    limits = RateLimits("1/minute", "")
    assert (await taken(limits, key(per_minute=7))).quota == 7


async def test_without_keys_addresses_are_counted() -> None:
    limits = RateLimits("", "1/hour")
    assert (await taken(limits, EVERYBODY, "192.0.2.1")).window == 3600
    assert not (await taken(limits, EVERYBODY, "192.0.2.2")).exceeded
    assert (await taken(limits, EVERYBODY, "192.0.2.1")).exceeded


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_addresses_of_one_household_are_one(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_changing_the_address_within_a_household_does_not_help() -> None:
    limits = RateLimits("", "1/hour")
    assert not (await taken(limits, EVERYBODY, "2001:db8::1")).exceeded
    assert (await taken(limits, EVERYBODY, "2001:db8::2")).exceeded
