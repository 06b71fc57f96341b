"""What can be wrong with one input of one node."""

from typing import Any

from tests.fake_comfyui.catalog import Input
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.recorded import Json

MAX_LISTED_OPTIONS = 20
CONVERSIONS: dict[str, type] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


def error(kind: str, message: str, details: str = "", **extra_info: Any) -> Json:
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def is_link(value: object) -> bool:
    return isinstance(value, list)


def types_match(received: Any, wanted: Any) -> bool:
    """Types may be unions such as `STRING,INT`; one in common is enough."""
    if received == wanted or "*" in (received, wanted):
        return True
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    return not set(received.split(",")).isdisjoint(wanted.split(","))


def check_value(declared: Input, values: Json, files: Files | None) -> Json | None:
    """Convert the value in place and look at it; `files` only where it must name one."""
    about: Json = {"input_name": declared.name, "input_config": declared.info}
    if (problem := _convert(declared, values, about)) is not None:
        return problem
    value = values[declared.name]
    if files is not None:
        return _check_file(declared.name, value, files)
    return _check_range(declared, value, about) or _check_options(declared, value, about)


def _convert(declared: Input, values: Json, about: Json) -> Json | None:
    name = declared.name
    value = values[name]
    if isinstance(value, dict) and "__value__" in value:
        value = values[name] = value["__value__"]
    convert = CONVERSIONS.get(declared.type) if isinstance(declared.type, str) else None
    if convert is None:
        return None
    try:
        values[name] = convert(value)
    except (ValueError, TypeError, OverflowError) as problem:
        return error(
            "invalid_input_type",
            f"Failed to convert an input value to a {declared.type} value",
            f"{name}, {value}, {problem}",
            **about,
            received_value=value,
            exception_message=str(problem),
        )
    return None


def _check_file(name: str, value: Any, files: Files) -> Json | None:
    if files.annotated(str(value)).is_file():
        return None
    return error(
        "custom_validation_failed",
        "Custom validation failed for node",
        f"{name} - Invalid image file: {value}",
        input_name=name,
    )


def _check_range(declared: Input, value: Any, about: Json) -> Json | None:
    name, config = declared.name, declared.config
    if "min" in config and value < config["min"]:
        message = f"Value {value} smaller than min of {config['min']}"
        return error("value_smaller_than_min", message, name, **about, received_value=value)
    if "max" in config and value > config["max"]:
        message = f"Value {value} bigger than max of {config['max']}"
        return error("value_bigger_than_max", message, name, **about, received_value=value)
    return None


def _check_options(declared: Input, value: Any, about: Json) -> Json | None:
    options = declared.options
    if options is None or value in options:
        return None
    listed = str(options)
    if len(options) > MAX_LISTED_OPTIONS:
        listed = f"(list of length {len(options)})"
        about = {**about, "input_config": None}
    details = f"{declared.name}: '{value}' not in {listed}"
    return error("value_not_in_list", "Value not in list", details, **about, received_value=value)
