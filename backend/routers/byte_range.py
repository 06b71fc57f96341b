"""The header `Range`."""

import re
from typing import NamedTuple

from backend.errors import RangeNotSatisfiable

ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


class ByteRange(NamedTuple):
    """From one offset to before another."""

    start: int
    end: int


def wanted_range(header: str | None, size: int) -> ByteRange | None:
    """What of `size` bytes is asked for; None for all.

    Several ranges, and what is none, are passed over, as RFC 9110 allows.

    Raises RangeNotSatisfiable.
    """
    match = ONE_RANGE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    first, last = match[1], match[2]
    if first == "":
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, end)
