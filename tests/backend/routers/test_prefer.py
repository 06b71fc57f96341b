"""`Prefer: wait=N`."""

import time

import pytest

from backend.routers.prefer import preferred_wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["wait=0"], 0),
        (["wait=10"], 10),
        (["wait=90"], 90),
        (["wait=91"], 90),
        (["wait=" + "9" * 5000], 90),
        (["wait=" + "0" * 5000 + "7"], 7),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=10"], 10),
        (["wait=10, respond-async"], 10),
        (["wait=10; a=b"], 10),
        (['return=representation; x="y", wait=10'], 10),
        (["respond-async", "wait=10"], 10),
        (["wait"], 60),
        ([" Wait "], 60),
        (["respond-async, wait"], 60),
        (["wait; a=b"], 60),
        (["wait, wait=10"], 60),
    ],
)
def test_wait_is_heard(headers: list[str], seconds: int) -> None:
    assert preferred_wait(headers) == seconds


@pytest.mark.parametrize(
    "header",
    [
        "",
        "wait=",
        "wait 5",
        "waiting",
        "wait=-1",
        "wait=1.5",
        "wait=ten",
        "wait=1 2",
        "await=5",
        "respond-async",
    ],
)
def test_what_asks_for_no_wait_is_ignored(header: str) -> None:
    assert preferred_wait([header]) is None


def test_no_header_asks_for_no_wait() -> None:
    assert preferred_wait(None) is None


@pytest.mark.parametrize("filling", ["wait=" + "0" * 60_000, "wait" + " " * 60_000])
def test_long_header_is_read_at_once(filling: str) -> None:
    began = time.process_time()
    assert preferred_wait([f"{filling}x"]) is None
    assert time.process_time() - began < 1
