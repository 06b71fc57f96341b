"""Which metrics and labels a PromQL expression names: enough to hold it against what there is."""

import re
from dataclasses import dataclass, field

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
RANGE = re.compile(r"\[[^\]]*\]")
NAME = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\s*\()\b")
WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


@dataclass
class Named:
    """What an expression names."""

    metrics: set[str] = field(default_factory=set)
    matched: dict[str, set[str]] = field(default_factory=dict)
    """Labels, by the metric that they are asked of."""
    grouped: set[str] = field(default_factory=set)
    """Labels that something is grouped by."""


def named(expression: str) -> Named:
    """All that it names."""
    found = Named()
    rest = STRING.sub('""', expression)
    for grouping in GROUPING.findall(rest):
        found.grouped |= {label.strip() for label in grouping.split(",") if label.strip()}
    rest = RANGE.sub("", GROUPING.sub("", rest))
    for metric, matchers in SELECTOR.findall(rest):
        found.matched.setdefault(metric, set()).update(MATCHER.findall(matchers))
    rest = SELECTOR.sub(r"\1", rest)
    found.metrics = {name for name in NAME.findall(rest) if name not in WORDS}
    return found
