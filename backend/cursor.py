"""Where a page of a list begins."""

import re

from backend.errors import InvalidInput

PATTERN = "[1-9][0-9]{0,17}"
CURSOR = re.compile(PATTERN, re.ASCII)


def number_of(cursor: str | None) -> int | None:
    """The number before which it begins. Raises InvalidInput."""
    if cursor is None:
        return None
    if CURSOR.fullmatch(cursor) is None:
        raise InvalidInput(
            "cursor is not what `next_cursor` was on the page before.", parameter="cursor"
        )
    return int(cursor)
