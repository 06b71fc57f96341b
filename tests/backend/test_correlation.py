"""What a request says of itself, and what goes on of it."""

import pytest

from backend.correlation import NOTHING, Correlation, about, correlated, current, told_in

TRACE = f"00-{'ab' * 16}-{'12' * 8}-01"


@pytest.mark.parametrize("sane", ["r-1", "req_A.b:c/d+e=f", "x" * 128, "Root=1-67891233-abcdef"])
def test_sane_id_is_taken(sane: str) -> None:
    assert told_in({"X-Request-ID": sane}).request_id == sane


@pytest.mark.parametrize(
    "odd",
    ["", " ", "x" * 129, "a b", "a\nb", "a\x1b[2K", "\u00e9", "-x", "<b>", "a;b", 'a"b'],
)
def test_another_is_made_anew(odd: str) -> None:
    first, second = (told_in({"X-Request-ID": odd}).request_id for _ in range(2))
    assert first and second and first != second
    assert (odd in first, len(first)) == (odd == "", 32)


def test_trace_is_taken_as_it_is() -> None:
    assert told_in({"traceparent": TRACE}).traceparent == TRACE


@pytest.mark.parametrize(
    "odd",
    [
        "",
        TRACE.upper(),
        f"ff{TRACE[2:]}",
        f"00-{'0' * 32}-{'12' * 8}-01",
        f"00-{'ab' * 16}-{'0' * 16}-01",
        f"{TRACE}-more",
        f"{TRACE}\n",
        TRACE[:-1],
    ],
)
def test_what_is_no_trace_is_dropped(odd: str) -> None:
    assert told_in({"traceparent": odd}).traceparent is None


def test_calls_carry_what_is_known() -> None:
    assert NOTHING.headers == {}
    assert Correlation("r-1", TRACE, "t-1").headers == {
        "X-Request-ID": "r-1",
        "X-Task-ID": "t-1",
        "traceparent": TRACE,
    }


def test_what_was_before_comes_back() -> None:
    with correlated(Correlation("r-1")):
        with about("t-1"):
            assert current() == Correlation("r-1", task_id="t-1")
        assert current() == Correlation("r-1")
