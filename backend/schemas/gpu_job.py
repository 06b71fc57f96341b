"""A job as the GPU service shows it: its `/jobs/{id}`."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


class GPUJobOutput(BaseModel):
    """One file that the job made; `size` is in bytes."""

    number: int
    node_id: str
    filename: str
    content_type: str
    size: int
    url: str


class GPUJob(BaseModel):
    """`state` is queued, running, done, failed or cancelled."""

    id: str
    workflow: str
    state: str
    progress: float
    values: dict[str, Any]
    outputs: list[GPUJobOutput]
    error: dict[str, Any] | None
    """A problem document."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state not in ("queued", "running")


@dataclass(frozen=True)
class GPUJobEvent:
    """One thing that happened to a job; `kind` is started, progress, done, …"""

    kind: str
    data: dict[str, Any]
