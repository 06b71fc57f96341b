"""Holding a client's parameters against the JSON Schema that the GPU service publishes."""

import difflib
import re
import reprlib
from collections.abc import Mapping
from math import isclose, isfinite
from typing import Any

from backend.errors import InvalidInput

TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "integer": ((int,), "an integer"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "a boolean"),
}
SEED_NAME = re.compile(r"seed(?:_[1-9]\d*)?")
MAX_SHOWN = 80

Number = int | float


def check_parameters(schema: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raise InvalidInput for the first value that the schema forbids.

    It names the parameter, the bound and the nearest valid value. Numbers as strings are not
    taken. `null` is a value left out, and -1 a seed left out.
    """
    properties = schema.get("properties", {})
    for name, value in values.items():
        if name not in properties:
            raise _unknown(name, list(properties))
        if value is not None and not _is_any_seed(name, properties[name], value):
            _check(name, properties[name], value)
    for name in schema.get("required", ()):
        if values.get(name) is None:
            raise InvalidInput(f"{name} is missing: this mode needs it.", parameter=name)


def is_image(schema: Mapping[str, Any], name: str) -> bool:
    """Whether the parameter is an image in base64."""
    return bool(schema.get("properties", {}).get(name, {}).get("contentEncoding") == "base64")


def _is_any_seed(name: str, rule: Mapping[str, Any], value: Any) -> bool:
    return bool(value == -1 and rule.get("type") == "integer" and SEED_NAME.fullmatch(name))


def _check(name: str, rule: Mapping[str, Any], value: Any) -> None:
    if not _has_type(rule.get("type"), value):
        _, words = TYPES[rule["type"]]
        raise InvalidInput(f"{name} must be {words}, not {_shown(value)}.", parameter=name)
    if "enum" in rule and value not in rule["enum"]:
        raise _not_in_enum(name, rule["enum"], value)
    if _is_number(value):
        _check_bounds(name, rule, value)


def _has_type(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, str) or wanted not in TYPES:
        return True
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted in ("integer", "number"):
        return _is_number(value) and (wanted == "number" or value == int(value))
    return isinstance(value, TYPES[wanted][0])


def _is_number(value: Any) -> bool:
    """Whether it is a finite number; in Python, truth values and NaN are numbers too."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # An integer of more than 308 digits.
        return False


def _check_bounds(name: str, rule: Mapping[str, Any], value: Number) -> None:
    low, high, step = (rule.get(key) for key in ("minimum", "maximum", "multipleOf"))
    nearest = _nearest(value, low, high, step)
    # Seeds go up to 2**64 - 1: integers are compared as such, never through floats.
    if nearest == value or (isinstance(value, float) and isclose(nearest, value)):
        return
    bounds = {"at least": low, "at most": high, "a multiple of": step}
    told = ", ".join(f"{words} {bound}" for words, bound in bounds.items() if bound is not None)
    raise InvalidInput(
        f"{name} must be {told}, not {_shown(value)}. Nearest valid value: {nearest}.",
        parameter=name,
        hint=str(nearest),
    )


def _nearest(value: Number, low: Number | None, high: Number | None, step: Number | None) -> Number:
    nearest = value if low is None else max(value, low)
    nearest = nearest if high is None else min(nearest, high)
    if not step:
        return nearest
    nearest = _nearest_multiple(nearest, step)
    if low is not None and nearest < low:
        nearest += step
    if high is not None and nearest > high:
        nearest -= step
    return nearest


def _nearest_multiple(value: Number, step: Number) -> Number:
    if isinstance(value, int) and isinstance(step, int):
        return (value + step // 2) // step * step
    return round(round(value / step) * step, 9)


def _not_in_enum(name: str, choices: list[Any], value: Any) -> InvalidInput:
    names = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(value)[:MAX_SHOWN], names, n=3, cutoff=0.3)
    if near:
        then = f"Nearest: {', '.join(near)}."
    elif names:
        then = f"One of: {', '.join(names[:20])}."
    else:
        then = "ComfyUI has none to choose from: install one first."
    return InvalidInput(
        f"{name} cannot be {_shown(value)}. {then}",
        parameter=name,
        hint=near[0] if near else None,
    )


def _unknown(name: str, known: list[str]) -> InvalidInput:
    near = difflib.get_close_matches(name[:MAX_SHOWN], known, n=1)
    return InvalidInput(
        f"This mode has no parameter {_shown(name)}. It takes: {', '.join(known) or 'none'}.",
        parameter=name[:MAX_SHOWN],
        hint=near[0] if near else None,
    )


def _shown(value: Any) -> str:
    text = reprlib.repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
