"""What has been found so far, by field; it gets its names from here."""

from collections.abc import Iterator
from dataclasses import replace

from gpu_server.workflows.domain import Found
from gpu_server.workflows.parameters import Target
from gpu_server.workflows.tracing.wiring import Wiring


class Findings:
    """For each field its values in the order of the flow, each once."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._fields: dict[str, list[Found]] = {}

    def add(
        self,
        name: str,
        targets: tuple[Target, ...],
        asked: tuple[Target, ...] = (),
        *,
        mask: bool = False,
        joined: bool = False,
    ) -> None:
        """Take a value up; one that is known already only learns who else asks for it.

        `joined`: the same literal at two places is one value, that goes to both.
        """
        known = self._fields.setdefault(name, [])
        index = self.index(name, targets)
        if index is None and joined:
            same = (self.value(each.targets[0]) == self.value(targets[0]) for each in known)
            index = next((number for number, is_same in enumerate(same) if is_same), None)
        if index is None:
            known.append(Found(name, targets, asked, mask))
        else:
            self.join(name, index, targets, asked)

    def index(self, name: str, targets: tuple[Target, ...]) -> int | None:
        """Which of the field's values goes to one of these already."""
        for index, each in enumerate(self.known(name)):
            if {*each.targets} & {*targets}:
                return index
        return None

    def join(
        self,
        name: str,
        index: int,
        targets: tuple[Target, ...],
        asked: tuple[Target, ...] = (),
    ) -> None:
        """Let a known value go to these targets too."""
        each = self._fields[name][index]
        self._fields[name][index] = replace(
            each,
            targets=tuple(dict.fromkeys(each.targets + targets)),
            asked=tuple(dict.fromkeys(each.asked + asked)),
        )

    def value(self, target: Target) -> object:
        """What the graph holds there."""
        return self._wiring.inputs(target.node)[target.input]

    def known(self, name: str) -> list[Found]:
        """The field's values so far."""
        return self._fields.get(name, [])

    def named(self) -> Iterator[Found]:
        """Each under its final name: `seed`, `seed_2`, …"""
        for name, values in self._fields.items():
            for number, value in enumerate(values, start=1):
                yield replace(value, name=ordinal(name, number))


def ordinal(name: str, number: int) -> str:
    """The name of a field's value of this number."""
    return name if number == 1 else f"{name}_{number}"
