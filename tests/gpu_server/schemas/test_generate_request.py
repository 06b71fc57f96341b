"""Spec: GPU Service Structure, Generation Endpoint: Request Schema."""

from typing import Any

import pydantic
import pytest

from gpu_server.schemas.generate_request import MAX_DEPTH, GenerateRequest


def test_fields_are_the_specification_s() -> None:
    assert set(GenerateRequest.model_fields) == {"workflow", "params"}


def test_workflow_is_required() -> None:
    with pytest.raises(pydantic.ValidationError, match="workflow"):
        GenerateRequest.model_validate({"params": {}})


def test_params_are_kept_as_they_are() -> None:
    params: dict[str, Any] = {"a": [1, {"b": None}], "c": "20", "d": 2.5, "e": True}
    assert GenerateRequest(workflow="x", params=params).params == params


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_is_taken_to_its_bound() -> None:
    request = GenerateRequest(workflow="x", params={"a": nested(MAX_DEPTH - 1)})
    assert request.params["a"] == nested(MAX_DEPTH - 1)


def test_nesting_beyond_its_bound_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="nested"):
        GenerateRequest(workflow="x", params={"a": nested(MAX_DEPTH)})
