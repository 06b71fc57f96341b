"""What `POST /generate` answers."""

import pytest
from pydantic import ValidationError

from backend.schemas.response_generate import GenerateResponse


def test_fields_are_the_specification_s() -> None:
    """Spec: Generation Router, Response Schema."""
    assert list(GenerateResponse.model_fields) == ["task_id", "status", "image", "error"]


@pytest.mark.parametrize("status", ["queued", "done", "failed"])
def test_status_of_the_specification_is_taken(status: str) -> None:
    """Spec: Generation Router, Response Schema: status."""
    response = GenerateResponse.model_validate({"task_id": "t1", "status": status})
    assert response.model_dump() == {
        "task_id": "t1",
        "status": status,
        "image": None,
        "error": None,
    }


def test_other_status_is_refused() -> None:
    """Spec: Generation Router, Response Schema: status."""
    with pytest.raises(ValidationError):
        GenerateResponse.model_validate({"task_id": "t1", "status": "lost"})
