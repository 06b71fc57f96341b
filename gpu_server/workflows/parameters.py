"""Parameters: what a client may set in a workflow, and putting it there."""

import difflib
import math
import re
import reprlib
import secrets
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gpu_server.errors import InvalidParameter
from gpu_server.workflows.bounds import Bounds, is_number
from gpu_server.workflows.graph import Graph

SEED_LIMIT = 2**53
"""Seeds that we draw stay below this: every JSON client can read them back exactly."""

SEED_NAME = re.compile(r"seed(?:_([1-9]\d*))?")

MAX_SHOWN = 100
"""Characters of a client's text that are compared or sent back."""


class ParameterType(str, Enum):
    """JSON Schema's names, and `image`: a file that the client sends in base64."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    IMAGE = "image"


TYPE_WORDS = {
    ParameterType.STRING: "a string",
    ParameterType.INTEGER: "an integer",
    ParameterType.NUMBER: "a number",
    ParameterType.BOOLEAN: "a boolean",
    ParameterType.IMAGE: "an image in base64",
}


class Source(str, Enum):
    """Where a workflow's parameter comes from; later ones win."""

    GRAPH = "graph"
    TITLE = "title"
    SIDECAR = "sidecar"


@dataclass(frozen=True)
class Target:
    """One input of one node."""

    node: str
    input: str


@dataclass(frozen=True)
class Parameter:
    """One value of a workflow, by a name for clients. Bounds are inclusive.

    `step` is a hint for forms and enforced by nobody, `multiple_of` is a bound. An image is
    checked by whoever uploads it: here its value is the name of the uploaded file. `mask` is an
    image of which parts are meant, `required` is what the graph has no usable value for.
    """

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
    step: int | float | None = None
    mask: bool = False
    required: bool = False
    source: Source = Source.SIDECAR

    def schema(self) -> dict[str, Any]:
        """The parameter as JSON Schema. The graph's own file is no default for an image."""
        fields: dict[str, Any] = {
            "type": self.type.value,
            "title": self.title,
            "description": self.description,
            "default": self.default,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "multipleOf": self.multiple_of,
            "enum": list(self.enum) if self.enum is not None else None,
            "x-step": self.step,
        }
        if self.type is ParameterType.IMAGE:
            fields |= {
                "type": "string",
                "contentEncoding": "base64",
                "contentMediaType": "image/*",
                "title": self.title or ("Mask" if self.mask else None),
                "default": None,
                "enum": None,
            }
        return {key: value for key, value in fields.items() if value is not None}

    def check(self, value: Any) -> Any:
        """The value as it goes into the graph.

        Raises InvalidParameter, naming the parameter, the bound and the nearest valid value.
        """
        value = self._typed(value)
        if self.type is ParameterType.IMAGE:
            return value
        if self.enum is not None and value not in self.enum:
            raise self._not_in_enum(value)
        if is_number(value):
            self._check_bounds(value)
        return value

    def _typed(self, value: Any) -> Any:
        if self.type in (ParameterType.STRING, ParameterType.IMAGE) and isinstance(value, str):
            return self._whole_text(value)
        if self.type is ParameterType.BOOLEAN and isinstance(value, bool):
            return value
        if self.type is ParameterType.NUMBER and is_number(value):
            return value
        if self.type is ParameterType.INTEGER and is_number(value) and value == int(value):
            return int(value)
        raise InvalidParameter(
            f"{self.name} must be {TYPE_WORDS[self.type]}, not {_shown(value)}.",
            parameter=self.name,
        )

    def _whole_text(self, value: str) -> str:
        if value.isascii():
            return value
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise InvalidParameter(
                f"{self.name} holds half a character (a lone surrogate) at {exc.start}: "
                "send its other half too, or leave it out.",
                parameter=self.name,
            ) from exc
        return value

    def _not_in_enum(self, value: Any) -> InvalidParameter:
        choices = [str(choice) for choice in self.enum or ()]
        near = difflib.get_close_matches(str(value)[:MAX_SHOWN], choices, n=3, cutoff=0.3)
        if near:
            then = f"Nearest: {', '.join(near)}."
        elif choices:
            then = f"One of: {', '.join(choices[:20])}."
        else:
            then = "ComfyUI has none to choose from: install one first."
        return InvalidParameter(
            f"{self.name} cannot be {_shown(value)}. {then}",
            parameter=self.name,
            hint=near[0] if near else None,
        )

    def _check_bounds(self, value: int | float) -> None:
        bounds = Bounds(self.minimum, self.maximum, self.multiple_of)
        if bounds.allow(value):
            return
        nearest = bounds.nearest(value)
        raise InvalidParameter(
            f"{self.name} must be {bounds}, not {_shown(value)}. Nearest valid value: {nearest}.",
            parameter=self.name,
            hint=str(nearest),
        )


Parameters = Mapping[str, Parameter]


@dataclass(frozen=True)
class BoundGraph:
    """A graph with a client's values in it, and the values it will really run with."""

    graph: Graph
    values: dict[str, Any]


def bind(
    graph: Graph, parameters: Parameters, values: Mapping[str, Any], *, seed: int | None = None
) -> BoundGraph:
    """Put values into a copy of the graph, as typed JSON.

    A `null` is a value left out, and the graph's own stays. Only seeds (`seed`, `seed_2`, …) that
    are left out, or -1 as many clients say "any", come from `seed`, or are drawn without it.
    Raises InvalidParameter for an unknown name, a value out of bounds, or one that is wanting.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in parameters:
            raise _unknown_parameter(name, parameters)
    for name, parameter in parameters.items():
        if parameter.required and name not in given:
            raise InvalidParameter(
                f"{name} must be given: {TYPE_WORDS[parameter.type]}.", parameter=name
            )
    first = secrets.randbelow(SEED_LIMIT) if seed is None else seed
    given.update(_seeds(parameters, given, first))
    resolved = {name: parameters[name].check(value) for name, value in given.items()}
    copy = deepcopy(graph)
    set_by: dict[Target, str] = {}
    for name, value in resolved.items():
        for target in parameters[name].targets:
            other = set_by.setdefault(target, name)
            if resolved[other] != value:
                raise InvalidParameter(
                    f"{name} and {other} are one value in this workflow: give them the same.",
                    parameter=name,
                )
            copy[target.node]["inputs"][target.input] = value
    return BoundGraph(copy, resolved)


def _seeds(parameters: Parameters, given: Mapping[str, Any], first: int) -> dict[str, int]:
    """A value for every seed that the client leaves to us."""
    return {
        name: _within((first + int(match[1] or 1) - 1) % SEED_LIMIT, parameter)
        for name, parameter in parameters.items()
        if (match := SEED_NAME.fullmatch(name))
        and parameter.type is ParameterType.INTEGER
        and given.get(name, -1) == -1
    }


def _within(seed: int, parameter: Parameter) -> int:
    """Many custom nodes take less than 53 bits."""
    lowest = max(0, math.ceil(parameter.minimum or 0))
    if parameter.maximum is None or lowest <= seed <= parameter.maximum:
        return max(seed, lowest)
    return lowest + seed % max(1, math.floor(parameter.maximum) - lowest + 1)


def _unknown_parameter(name: str, parameters: Parameters) -> InvalidParameter:
    near = difflib.get_close_matches(name[:MAX_SHOWN], list(parameters), n=1)
    takes = ", ".join(parameters) or "none"
    return InvalidParameter(
        f"This workflow has no parameter {_shown(name)}. It takes: {takes}.",
        parameter=name[:MAX_SHOWN],
        hint=near[0] if near else None,
    )


def _shown(value: Any) -> str:
    """Bounded in length and in depth: it may be a whole image."""
    return reprlib.repr(value)
