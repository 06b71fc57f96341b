"""Spec: GPU Service Structure, Generation Endpoint: Response Schema."""

import pydantic
import pytest

from gpu_server.schemas.generate_response import GenerateResponse


def test_fields_are_the_specification_s_in_their_order() -> None:
    assert list(GenerateResponse.model_fields) == ["status", "image", "error"]


@pytest.mark.parametrize("status", ["done", "failed"])
def test_status_is_one_of_the_specification_s(status: str) -> None:
    assert GenerateResponse.model_validate({"status": status}).status == status


def test_other_status_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError):
        GenerateResponse.model_validate({"status": "queued"})
