"""A job as the GPU service shows it: its `/jobs/{id}`."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

ENDS = frozenset({"done", "failed", "cancelled"})


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


class GPUJobProgress(BaseModel):
    """How far a job is, from 0 to 1, and the title of the node that runs."""

    progress: float = 0.0
    node_title: str | None = None


class GPUJobPreview(BaseModel):
    """A picture of what is being made, in base64."""

    content_type: str
    image: str


@dataclass(frozen=True)
class GPUJobEvent:
    """One thing that happened to a job; `kind` is started, progress, done, …"""

    kind: str
    progress: GPUJobProgress | None = None
    preview: GPUJobPreview | None = None
    ended: GPUJob | None = None
    """The whole job, where this is its end."""

    @classmethod
    def read(cls, kind: str, text: str) -> "GPUJobEvent":
        """An event from its data. Raises ValueError, RecursionError."""
        if kind == "progress":
            return cls(kind, progress=GPUJobProgress.model_validate(json.loads(text)))
        if kind == "preview":
            return cls(kind, preview=GPUJobPreview.model_validate(json.loads(text)))
        if kind in ENDS:
            return cls(kind, ended=GPUJob.model_validate(json.loads(text)))
        return cls(kind)
