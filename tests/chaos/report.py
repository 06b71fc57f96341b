"""What a chaos run came to, in a few lines."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.run import Chaos

UNEXPLAINED = "no reason: see the findings"


def report(chaos: Chaos) -> str:
    """A line a subject, then the findings."""
    return "\n".join(_lines(chaos))


def _lines(chaos: Chaos) -> Iterator[str]:
    kills = {name: len(times) for name, times in sorted(chaos.killer.times.items())}
    yield f"kills:      {sum(kills.values())} ({_counts(kills)})"
    if chaos.killer.exits:
        exits = Counter(f"{each.name} with {each.status}" for each in chaos.killer.exits)
        yield f"ended:      by themselves, and started again: {_counts(exits)}"
    yield f"requests:   {_counts(chaos.seen)}"
    yield (
        f"tasks:      {sum(order.task_id is not None for order in chaos.orders)} accepted of "
        f"{len(chaos.orders)}; {_counts(Counter(each.state for each in chaos.records.values()))}"
    )
    attempts = Counter(f"in {each.attempt}" for each in chaos.records.values())
    yield f"attempts:   {_counts(dict(sorted(attempts.items())))}"
    again = {repeat.first.color for repeat in chaos.repeats}
    yield f"executions: {chaos.executed}; {len(again)} tasks ran more than once"
    reasons = Counter(repeat.reason or UNEXPLAINED for repeat in chaos.repeats)
    for reason, count in reasons.most_common():
        yield f"            {count} x {reason}"
    yield f"seconds:    {chaos.seconds:.1f}"
    yield f"findings:   {len(chaos.findings)}"
    for finding in chaos.findings:
        yield f"  - {finding}"


def _counts(numbers: "dict[str, int] | Counter[str]") -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
