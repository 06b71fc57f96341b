"""What `GET /livez` and `GET /readyz` answer."""

from typing import Literal

from pydantic import BaseModel, Field


class Finding(BaseModel):
    """What one check has found wrong: `check` is its name, for machines."""

    check: str
    detail: str


class Checked(BaseModel):
    """One check, whatever it has found."""

    check: str = Field(description="Its name, for machines.")
    ok: bool
    needed: bool = Field(description="Whether it is not ready where this is not in order.")
    detail: str | None = Field(None, description="What is wrong, and what to do.")


class LivenessResponse(BaseModel):
    """`dead`, and 503, where only a new start helps: `reasons` say why."""

    status: Literal["ok", "dead"] = "ok"
    reasons: list[Finding] = []


class ReadinessResponse(BaseModel):
    """`reasons` is empty where it is ready; `notes` are no reason not to send it requests.

    `checks` are all that was looked at, those in order too.
    """

    status: Literal["ready", "not_ready"]
    reasons: list[Finding]
    notes: list[Finding] = []
    checks: list[Checked] = []
