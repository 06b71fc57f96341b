"""Whether a backend is to be sent requests."""

import asyncio

import pytest

from backend.schemas.response_probe import Finding
from backend.services.readiness import Check, Liveness, Readiness


async def fine() -> None: ...


async def wrong() -> str:
    return "Something is wrong."


async def silent() -> str | None:
    await asyncio.Event().wait()
    return None


async def broken() -> str | None:
    raise ValueError("a slip")


async def reasons(check: Check) -> list[str]:
    """What this check makes of it."""
    return [each.detail for each in (await Readiness({"it": check}).look()).reasons]


async def test_is_ready_where_nothing_is_wrong() -> None:
    readiness = await Readiness({"one": fine, "other": fine}).look()
    assert (readiness.status, readiness.reasons, readiness.notes) == ("ready", [], [])


async def test_what_is_wrong_makes_it_unready_under_its_name() -> None:
    readiness = await Readiness({"one": fine, "other": wrong}).look()
    assert readiness.status == "not_ready"
    assert readiness.reasons == [Finding(check="other", detail="Something is wrong.")]


async def test_all_that_is_wrong_is_told() -> None:
    readiness = await Readiness({"one": wrong, "other": wrong}).look()
    assert [each.check for each in readiness.reasons] == ["one", "other"]


async def test_note_leaves_it_ready() -> None:
    readiness = await Readiness({"one": fine}, {"other": wrong}).look()
    assert (readiness.status, readiness.reasons) == ("ready", [])
    assert readiness.notes == [Finding(check="other", detail="Something is wrong.")]


async def test_draining_makes_it_unready() -> None:
    readiness = Readiness({"one": fine})
    readiness.drain()
    seen = await readiness.look()
    assert (seen.status, [each.check for each in seen.reasons]) == ("not_ready", ["draining"])


async def test_check_without_an_answer_is_a_reason() -> None:
    readiness = await Readiness({"it": silent}, check_seconds=0.01).look()
    assert [each.detail for each in readiness.reasons] == ["No answer within 0.01 s."]


async def test_note_without_an_answer_is_a_note() -> None:
    readiness = await Readiness({}, {"it": silent}, note_seconds=0.01).look()
    assert readiness.status == "ready"
    assert [each.detail for each in readiness.notes] == ["No answer within 0.01 s."]


async def test_check_with_a_bug_is_a_reason_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    [detail] = await reasons(broken)
    assert "a slip" not in detail
    assert "a slip" in caplog.text


async def test_all_that_was_looked_at_is_told() -> None:
    readiness = await Readiness({"one": fine}, {"other": wrong}).look()
    assert [(each.check, each.ok, each.needed) for each in readiness.checks] == [
        ("draining", True, True),
        ("one", True, True),
        ("other", False, False),
    ]


class Counted:
    """A check that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> str | None:
        self.asked += 1
        await asyncio.sleep(0)
        return None


async def test_however_many_ask_it_looks_once_a_second() -> None:
    now, check = 100.0, Counted()
    readiness = Readiness({"it": check}, clock=lambda: now)
    await asyncio.gather(*(readiness.look() for _ in range(50)))
    now += 0.9
    await readiness.look()
    assert check.asked == 1
    now += 0.2
    await readiness.look()
    assert check.asked == 2


async def test_draining_is_told_at_once() -> None:
    readiness = Readiness({"it": fine}, clock=lambda: 100.0)
    assert (await readiness.look()).status == "ready"
    readiness.drain()
    assert (await readiness.look()).status == "not_ready"


def test_is_alive_where_nothing_says_otherwise() -> None:
    assert Liveness({"it": lambda: None}).look().status == "ok"


def test_what_only_a_new_start_heals_is_told() -> None:
    seen = Liveness({"one": lambda: None, "other": lambda: "It has died."}).look()
    assert (seen.status, seen.reasons) == (
        "dead",
        [Finding(check="other", detail="It has died.")],
    )
