"""What `GET /livez` and `GET /readyz` answer."""

from typing import Literal

from pydantic import BaseModel


class LivenessResponse(BaseModel):
    """Whoever reads this knows that the process answers."""

    status: Literal["ok"] = "ok"


class Finding(BaseModel):
    """What one check has found: `check` is its name, for machines."""

    check: str
    detail: str


class ReadinessResponse(BaseModel):
    """`reasons` is empty where the backend is ready; `notes` are no reason not to send it tasks."""

    status: Literal["ready", "not_ready"]
    reasons: list[Finding]
    notes: list[Finding] = []
