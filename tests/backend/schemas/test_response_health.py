"""What `GET /health` answers."""

import pytest
from pydantic import ValidationError

from backend.schemas.response_health import HealthResponse


def test_fields_are_the_specification_s() -> None:
    """Spec: Health Check Router, Response Model."""
    assert list(HealthResponse.model_fields) == ["status", "gpu_available", "version"]


def test_other_status_is_refused() -> None:
    """Spec: Health Check Router, Response Model: status."""
    with pytest.raises(ValidationError):
        HealthResponse.model_validate({"status": "fine", "gpu_available": True, "version": "1"})
