"""Times as people write them."""

import re

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", re.ASCII)


def duration(text: str) -> float | None:
    """`90`, `90s`, `1.5m`, `2h`, `1d` in seconds; None where it is no such time."""
    match = DURATION.fullmatch(text.strip())
    return float(match[1]) * SECONDS[match[2]] if match else None
