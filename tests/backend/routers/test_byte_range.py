"""The header `Range`."""

import pytest

from backend.errors import RangeNotSatisfiable
from backend.routers.byte_range import ByteRange, wanted_range


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=9-9", (9, 10)),
        ("bytes=250-", (250, 256)),
        ("bytes=-6", (250, 256)),
        ("bytes=-9999", (0, 256)),
        ("bytes=0-9999", (0, 256)),
        ("bytes= 1-2 ", (1, 3)),
    ],
)
def test_range_is_what_it_says(header: str, wanted: ByteRange) -> None:
    assert wanted_range(header, 256) == wanted


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=9-1",
        "bytes=a-b",
        "items=0-1",
        "bytes=0-1,3-4",
    ],
)
def test_what_is_no_single_range_asks_for_all(header: str | None) -> None:
    assert wanted_range(header, 256) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=256-", 256), ("bytes=300-400", 256), ("bytes=-0", 256), ("bytes=0-", 0)],
)
def test_range_with_nothing_in_it_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        wanted_range(header, size)
