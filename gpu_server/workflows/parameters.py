"""Parameters: what a client may set in a workflow, and putting it there."""

import difflib
import math
import secrets
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gpu_server.errors import InvalidParameter
from gpu_server.workflows.graph import Graph

SEED_LIMIT = 2**53
"""Seeds that we draw stay below this: every JSON client can read them back exactly."""


class ParameterType(str, Enum):
    """JSON Schema's names."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True)
class Target:
    """One input of one node."""

    node: str
    input: str


@dataclass(frozen=True)
class Parameter:
    """One value of a workflow, by a name for clients. Bounds are inclusive."""

    name: str
    type: ParameterType
    targets: tuple[Target, ...]
    title: str | None = None
    description: str | None = None
    default: Any = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    multiple_of: int | float | None = None
    enum: tuple[Any, ...] | None = None

    def schema(self) -> dict[str, Any]:
        """The parameter as JSON Schema."""
        fields = {
            "type": self.type.value,
            "title": self.title,
            "description": self.description,
            "default": self.default,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "multipleOf": self.multiple_of,
            "enum": list(self.enum) if self.enum is not None else None,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def check(self, value: Any) -> Any:
        """The value as it goes into the graph.

        Raises InvalidParameter, naming the parameter, the bound and the nearest valid value.
        """
        value = self._typed(value)
        if self.enum is not None and value not in self.enum:
            raise self._not_in_enum(value)
        if self.type in (ParameterType.INTEGER, ParameterType.NUMBER):
            self._check_bounds(value)
        return value

    def _typed(self, value: Any) -> Any:
        if self.type is ParameterType.STRING and isinstance(value, str):
            return value
        if self.type is ParameterType.BOOLEAN and isinstance(value, bool):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            if self.type is ParameterType.NUMBER:
                return value
            if self.type is ParameterType.INTEGER and value == int(value):
                return int(value)
        article = "an" if self.type is ParameterType.INTEGER else "a"
        raise InvalidParameter(
            f"{self.name} must be {article} {self.type.value}, not {_shown(value)}.",
            parameter=self.name,
        )

    def _not_in_enum(self, value: Any) -> InvalidParameter:
        choices = [str(choice) for choice in self.enum or ()]
        near = difflib.get_close_matches(str(value), choices, n=3, cutoff=0.3)
        return InvalidParameter(
            f"{self.name} cannot be {_shown(value)}. "
            + (f"Nearest: {', '.join(near)}." if near else f"One of: {', '.join(choices[:20])}."),
            parameter=self.name,
            hint=near[0] if near else None,
        )

    def _check_bounds(self, value: int | float) -> None:
        nearest = self._nearest(value)
        # Seeds go up to 2**64 - 1: integers are compared as such, never through floats.
        if nearest == value or (isinstance(value, float) and math.isclose(nearest, value)):
            return
        bounds = [
            f"at least {self.minimum}" if self.minimum is not None else "",
            f"at most {self.maximum}" if self.maximum is not None else "",
            f"a multiple of {self.multiple_of}" if self.multiple_of else "",
        ]
        raise InvalidParameter(
            f"{self.name} must be {', '.join(filter(None, bounds))}, not {value}. "
            f"Nearest valid value: {nearest}.",
            parameter=self.name,
            hint=str(nearest),
        )

    def _nearest(self, value: int | float) -> int | float:
        nearest, step = value, self.multiple_of
        if step:
            nearest = round(round(value / step) * step, 9)
        if self.minimum is not None:
            nearest = max(nearest, self.minimum)
        if self.maximum is not None:
            nearest = min(nearest, self.maximum)
        return nearest


Parameters = Mapping[str, Parameter]


@dataclass(frozen=True)
class BoundGraph:
    """A graph with a client's values in it, and the values it will really run with."""

    graph: Graph
    values: dict[str, Any]


def bind(graph: Graph, parameters: Parameters, values: Mapping[str, Any]) -> BoundGraph:
    """Put values into a copy of the graph, as typed JSON.

    A `null` is a value left out. A `seed` that is left out (or -1, as many clients say "any")
    is drawn here. Raises InvalidParameter for an unknown name or a value out of bounds.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in parameters:
            raise _unknown_parameter(name, parameters)
    if "seed" in parameters and given.get("seed", -1) == -1:
        given["seed"] = secrets.randbelow(SEED_LIMIT)
    resolved = {name: parameters[name].check(value) for name, value in given.items()}
    copy = deepcopy(graph)
    for name, value in resolved.items():
        for target in parameters[name].targets:
            copy[target.node]["inputs"][target.input] = value
    return BoundGraph(copy, resolved)


def _unknown_parameter(name: str, parameters: Parameters) -> InvalidParameter:
    near = difflib.get_close_matches(name, list(parameters), n=1)
    takes = ", ".join(parameters) or "none"
    return InvalidParameter(
        f"This workflow has no parameter {_shown(name)}. It takes: {takes}.",
        parameter=name[:100],
        hint=near[0] if near else None,
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
