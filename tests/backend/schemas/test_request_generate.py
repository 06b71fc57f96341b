"""What `POST /generate` takes."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from backend.heavy import LARGE
from backend.schemas.request_generate import GenerateRequest

SPEC_FIELDS: list[tuple[str, bool, dict[str, Any]]] = [
    ("mode", True, {"type": "string"}),
    ("prompt", False, {"type": "string"}),
    ("style", False, {"type": "string"}),
    ("face_images", False, {"type": "array", "items": {"type": "string"}}),
    ("target_image", False, {"type": "string"}),
    ("extra_params", False, {"type": "object"}),
]


def test_fields_are_the_specification_s() -> None:
    """Spec: Generation Router, Request Schema."""
    names = [name for name, _, _ in SPEC_FIELDS]
    assert list(GenerateRequest.model_fields)[: len(names)] == names


@pytest.mark.parametrize(("name", "required", "kind"), SPEC_FIELDS)
def test_published_schema_has_type_and_requiredness(
    name: str, required: bool, kind: dict[str, Any]
) -> None:
    """Spec: Generation Router, Request Schema: Type, Required."""
    schema = GenerateRequest.model_json_schema()
    assert (name in schema["required"]) is required
    field = schema["properties"][name]
    assert kind in [
        {key: value for key, value in each.items() if key in kind}
        for each in field.get("anyOf", [field])
    ]


@pytest.mark.parametrize("size", [1, 2 * LARGE])
@pytest.mark.parametrize(
    "made",
    [
        lambda text: text + "\udcff",
        lambda text: ["a", text + "\udcff"],
        lambda text: [text, float("nan")],
        lambda text: {"deep": [text, float("inf")]},
    ],
    ids=["surrogate", "in a list", "NaN beside it", "infinity below it"],
)
def test_what_cannot_be_sent_is_refused_however_large(
    made: Callable[[str], Any], size: int
) -> None:
    with pytest.raises(ValidationError, match="cannot be sent as JSON"):
        GenerateRequest(mode="free", extra_params={"image": made("x" * size)})


@pytest.mark.parametrize("value", ["x" * 2 * LARGE, ["x" * LARGE, "ü" * LARGE, 7]])
def test_large_parameters_are_taken_as_they_are(value: Any) -> None:
    request = GenerateRequest(mode="free", extra_params={"image": value})
    assert request.extra_params == {"image": value}
