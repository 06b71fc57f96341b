"""One job and its story."""

import asyncio
import base64
import logging
import time
from enum import Enum
from typing import Any

from gpu_server.comfy_client import PreparedJob
from gpu_server.comfyui.messages import ImageFrame
from gpu_server.comfyui.outputs import JobOutput
from gpu_server.correlation import current
from gpu_server.errors import GPUServiceError
from gpu_server.metrics.jobs import JobMeter
from gpu_server.services.event_log import EventKind, EventLog

log = logging.getLogger(__name__)

PREVIEW_SECONDS = 0.25
PROGRESS_SECONDS = 0.05
MILESTONE = 0.25
"""Of its progress, that are worth a line."""


class JobState(str, Enum):
    """queued → running → done, failed or cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job:
    """What one id stands for. Observes its own run, and writes it into its event log."""

    def __init__(self, prepared: PreparedJob, meter: JobMeter, *, resumable: bool) -> None:
        self.id = prepared.id
        self.workflow = prepared.request.workflow
        self.digest = prepared.request.digest
        self.values = prepared.values
        self.meter = meter
        self.state = JobState.QUEUED
        self.progress = 0.0
        self.outputs: list[JobOutput] = []
        self.error: GPUServiceError | None = None
        self.events = EventLog()
        self.task: asyncio.Task[None] | None = None
        self.begun = asyncio.Event()
        """Its task has taken its first step: what cancels it now reaches ComfyUI."""
        self.resumable = resumable
        """Whether the caller can come back for it: it knows the id."""
        self.abandoned = False
        """Nobody follows it any more, and it goes on in ComfyUI."""
        self._previewed_at = 0.0
        self._progressed_at = 0.0
        self._begun_at = time.monotonic()
        self._started_at: float | None = None
        self._milestone = 0
        # It hears of its run from the socket, whose task belongs to nobody's request.
        self._about = current().fields
        self._told_to_wait = False

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def size(self) -> int:
        """Bytes of its outputs."""
        return sum(len(output.data) for output in self.outputs)

    def queued(self, position: int) -> None:
        """It waits in ComfyUI behind `position` others."""
        if not self._told_to_wait:
            self._told_to_wait = True
            log.info(
                "Job %s waits in ComfyUI behind %d others", self.id, position, extra=self._about
            )
        self.events.append(EventKind.QUEUED, {"position": position})

    def started(self) -> None:
        """ComfyUI has begun it."""
        if self.state is JobState.QUEUED:
            self.state = JobState.RUNNING
            self.meter.started()
            self._started_at = time.monotonic()
            log.info("Job %s started", self.id, extra=self._about)
            self.events.append(EventKind.STARTED, {})

    def progressed(self, value: float, node_id: str | None, node_title: str | None) -> None:
        """Passed on at most twenty times a second."""
        self.progress = max(self.progress, value)
        if MILESTONE * (self._milestone + 1) <= self.progress < 1:
            self._milestone = int(self.progress / MILESTONE)
            told = "Job %s: %d %%, at node %.20s (%.60s)"
            at = self.progress * 100, node_id, node_title
            log.info(told, self.id, *at, extra=self._about)
        now = time.monotonic()
        if now - self._progressed_at >= PROGRESS_SECONDS:
            self._progressed_at = now
            data = {"progress": self.progress, "node_id": node_id, "node_title": node_title}
            self.events.append(EventKind.PROGRESS, data)

    def previewed(self, frame: ImageFrame) -> None:
        """Passed on at most four times a second."""
        now = time.monotonic()
        if now - self._previewed_at >= PREVIEW_SECONDS:
            self._previewed_at = now
            image = base64.b64encode(frame.image).decode("ascii")
            data = {"content_type": frame.content_type, "image": image}
            self.events.append(EventKind.PREVIEW, data)

    def submitted_again(self, reason: str) -> None:
        """It runs once more in ComfyUI."""
        self.meter.submitted_again(reason)

    def succeed(self, outputs: list[JobOutput]) -> None:
        """It has made these."""
        self.outputs, self.progress = outputs, 1.0
        for number, output in enumerate(outputs):
            self.events.append(EventKind.OUTPUT, describe_output(self.id, number, output))
            made = number, output.filename, output.content_type, len(output.data)
            told = "Job %s: output %d is %.200r, %s, %d bytes"
            log.info(told, self.id, *made, extra=self._about)
        self._end(JobState.DONE, EventKind.DONE)

    def fail(self, error: GPUServiceError) -> None:
        """It has made nothing, and this is why."""
        self.error = error
        self._end(JobState.FAILED, EventKind.FAILED)

    def cancel(self) -> None:
        """Nobody wants it any more."""
        self._end(JobState.CANCELLED, EventKind.CANCELLED)

    def document(self) -> dict[str, Any]:
        """The job as it stands, as it is told to a client."""
        return {
            "id": self.id,
            "workflow": self.workflow,
            "state": self.state.value,
            "progress": self.progress,
            "values": self.values,
            "outputs": [
                describe_output(self.id, number, output)
                for number, output in enumerate(self.outputs)
            ],
            "error": self.error.document() if self.error else None,
        }

    def _end(self, state: JobState, kind: EventKind) -> None:
        self.state = state
        because = f": {self.error.message} [{self.error.code}]" if self.error else ""
        now = time.monotonic()
        started = self._started_at or now
        told = "Job %s %s%s (waited %.1f s, ran %.1f s)"
        took = started - self._begun_at, now - started
        log.info(told, self.id, state.value, because, *took, extra=self._about)
        self.events.append(kind, self.document())


def describe_output(job_id: str, number: int, output: JobOutput) -> dict[str, Any]:
    """What is said of a file that a job made. `size` is in bytes."""
    return {
        "number": number,
        "node_id": output.node_id,
        "filename": output.filename,
        "content_type": output.content_type,
        "size": len(output.data),
        "url": f"/jobs/{job_id}/outputs/{number}",
    }
