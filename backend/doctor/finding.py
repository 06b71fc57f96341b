"""What was looked at, and how it is: one line each, which `startup.sh doctor` shows."""

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """Green is as it should be, with yellow something does not work, with red nothing does."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True)
class Finding:
    """`subject` is a word or two; `way_out` is what to do, where there is something."""

    level: Level
    subject: str
    text: str
    way_out: str = ""

    def line(self) -> str:
        """Fields with tabs between: what any shell can read."""
        fields = (self.level.value, self.subject, self.text, self.way_out)
        return "\t".join(" ".join(field.split()) for field in fields)


def green(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Level.GREEN, subject, text)


def yellow(subject: str, text: str, way_out: str = "") -> Finding:
    """Something does not work, or soon will not."""
    return Finding(Level.YELLOW, subject, text, way_out)


def red(subject: str, text: str, way_out: str = "") -> Finding:
    """What cannot do without it does not work."""
    return Finding(Level.RED, subject, text, way_out)
