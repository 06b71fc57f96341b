"""One attempt of a task: a job on the GPU service, followed to its end, its files fetched."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import anyio

from backend.clients.gpu_client import GPUClient
from backend.errors import (
    GPUServiceError,
    GPUServiceLetGo,
    GPUServiceRefused,
    GPUServiceTimeout,
)
from backend.schemas.gpu_job import GPUJob, GPUJobEvent
from backend.services.attachments import Attachments
from backend.services.live import LiveHub, LiveProgress, Preview
from backend.store.outputs.output_store import OutputStore
from backend.tasks import Claim, Outcome, Task, TaskState

log = logging.getLogger(__name__)

MARGIN = 10.0
"""Seconds: so that the GPU service, which knows why, is the one to give up."""
ATTACHMENT_LOST = "What was sent with the task is no longer among its files. Send it again."


class AttemptRunner:
    """`timeout` is in seconds: for the wait on the GPU service, and again from its start on.

    A workflow whose author allows it more has more, and `MARGIN` for what comes after.
    """

    def __init__(
        self,
        client: GPUClient,
        outputs: OutputStore,
        live: LiveHub,
        timeout: float,
        workflow_timeout: Callable[[str], float | None] = lambda _: None,
    ) -> None:
        self._client = client
        self._outputs = outputs
        self._attachments = Attachments(outputs)
        self._live = live
        self._timeout = timeout
        self._workflow_timeout = workflow_timeout

    async def run(
        self,
        claim: Claim,
        *,
        in_use: Callable[[], Awaitable[bool]],
        current: Callable[[], Awaitable[bool]],
    ) -> Outcome:
        """Start the task's job, or find it again, and bring home what it makes.

        `in_use` is asked once it has started: who cancels the task cancels the job too, and may
        have come before there was one. `current` says whether the job is this attempt's alone to
        cancel: the next one may go on with it.

        Raises GPUServiceError's subclasses, StorageFull, StorageUnavailable.
        """
        task, job_id = claim.task, str(claim.task.job_id)
        timeout = self._timeout_of(task)
        attached = await self._attachments.read(task)
        if attached is None:
            return Outcome(TaskState.FAILED, error=ATTACHMENT_LOST, error_code="attachment_lost")
        events = self._client.run_job(
            job_id,
            task.workflow,
            claim.params,
            task.output_options,
            resume=claim.resume,
            encoded=attached,
        )
        del attached  # Its pieces are let go as they are sent.
        try:
            with anyio.fail_after(timeout) as scope:
                async with aclosing(events):
                    first = await anext(events, None)
                    if not await in_use():
                        await self.cancel(job_id)
                    job = await self._ended(task, first, events, scope)
        except TimeoutError as exc:
            if await current():
                await self.cancel(job_id)
            raise GPUServiceTimeout(
                f"The GPU service did not finish within {timeout:g} s. "
                "Ask for less (steps, size), or raise REQUEST_TIMEOUT."
            ) from exc
        return await self._outcome(task, job)

    def _timeout_of(self, task: Task) -> float:
        allowed = self._workflow_timeout(task.workflow)
        return self._timeout if allowed is None else max(self._timeout, allowed + MARGIN)

    async def _ended(
        self,
        task: Task,
        event: GPUJobEvent | None,
        events: AsyncIterator[GPUJobEvent],
        scope: anyio.CancelScope,
    ) -> GPUJob:
        """The job, once it has ended."""
        while event is not None:
            match event.kind:
                case "started":
                    # What went before was waiting for another's turn.
                    scope.deadline = anyio.current_time() + self._timeout_of(task)
                    log.info("Task %s: its job has started", task.id)
                    self._live.progressed(task.id, LiveProgress(0.0))
                case "progress" if event.progress:
                    now = event.progress
                    self._live.progressed(task.id, LiveProgress(now.progress, now.node_title))
                case "preview" if event.preview:
                    seen = event.preview
                    self._live.previewed(task.id, Preview(seen.content_type, seen.image))
            if event.ended:
                # Read to the end of the answer: only then is the connection free for others.
                await anext(events, None)
                return event.ended
            event = await anext(events, None)
        raise GPUServiceLetGo("The GPU service let go of the job, which goes on in ComfyUI.")

    async def cancel(self, job_id: str) -> None:
        """Take the job off the GPU, as far as that can be done."""
        try:
            await self._client.cancel_job(job_id)
        except GPUServiceError as exc:
            log.warning("Job %s could not be cancelled: %s", job_id, exc.message)

    async def _outcome(self, task: Task, job: GPUJob) -> Outcome:
        if job.state == "cancelled":
            return Outcome(TaskState.CANCELLED)
        if job.state != "done":
            raise _failure(job.error or {})
        outputs = [
            await self._outputs.save(
                task.id,
                # Of this job alone: a late attempt must not write over what was recorded.
                f"{each.number}-{job.id[:8]}",
                await self._client.output(job.id, each.number),
                each.content_type,
            )
            for each in job.outputs
        ]
        return Outcome(TaskState.DONE, outputs=tuple(outputs), values=job.values)


def _failure(problem: Mapping[str, Any]) -> GPUServiceRefused:
    return GPUServiceRefused(
        str(problem.get("detail") or "The GPU service gave no image and no reason."),
        code=str(problem.get("code") or "generation_failed"),
        retryable=bool(problem.get("retryable")),
    )
