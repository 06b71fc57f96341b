"""Jobs: workflows run under the callers' ids, a bounded number at once."""

import asyncio
import logging
import uuid

from gpu_server.comfy_client import ComfyClient, JobRequest, PreparedJob
from gpu_server.comfyui.outputs import JobOutput
from gpu_server.errors import (
    GPUServiceError,
    InternalError,
    JobConflict,
    JobNotFound,
    NoFreeSlot,
    OutputNotFound,
    ServiceStopping,
)
from gpu_server.heavy import in_turn
from gpu_server.metrics.jobs import UNCOUNTED, JobMetrics
from gpu_server.services.job import Job, JobState
from gpu_server.utils.logging import describe

log = logging.getLogger(__name__)

SPARE = "(spare)"
"""In metrics: no workflow has such a name."""
KEPT_JOBS = 500
KEPT_BYTES = 512 * 1024 * 1024
"""Of ended jobs' outputs, in memory; the oldest go first."""
STOPPING = "The GPU service stops. Send the request again."


class JobService:
    """All jobs of this process. Nothing is kept on disk: ComfyUI itself knows a job by its id."""

    def __init__(self, client: ComfyClient, slots: int, metrics: JobMetrics = UNCOUNTED) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(slots)
        self._taken = 0
        self._spare: Job | None = None
        self._metrics = metrics
        metrics.has_slots(slots)
        self._jobs: dict[str, Job] = {}
        self._starting: dict[str, asyncio.Event] = {}
        self._stopping = False

    async def put(
        self, job_id: str, request: JobRequest, *, resume: bool = False
    ) -> tuple[Job, bool]:
        """Start a job under this id, or return the one that is there; True: it is new.

        With `resume`, ComfyUI is asked first whether an earlier process has submitted it. Raises
        NoFreeSlot, JobConflict, ServiceStopping, and what is wrong with the workflow or its
        parameters.
        """
        await in_turn(lambda: request.digest)
        while (starting := self._starting.get(job_id)) is not None:
            await starting.wait()  # Another request of the same id was quicker.
        if (job := self._jobs.get(job_id)) is not None:
            return _same(job, request), False
        self._refuse_while_stopping()
        if self._slots.locked():
            raise NoFreeSlot("All slots are taken. Try again in a moment.")
        starting = self._starting[job_id] = asyncio.Event()
        try:
            await self._slots.acquire()
            return await self._start(job_id, request, resume=resume), True
        finally:
            del self._starting[job_id]
            starting.set()

    async def run(self, request: JobRequest) -> Job:
        """Run a request that has no id, once a slot is free, to its end.

        It is cancelled with the caller, and with the process. Raises as `put` does.
        """
        self._refuse_while_stopping()
        await in_turn(lambda: request.digest)
        await self._slots.acquire()
        job = await self._start(str(uuid.uuid4()), request, resumable=False)
        try:
            await asyncio.wait({job.task} if job.task else ())
        finally:
            await _taken_out(job)
        if job.state is JobState.CANCELLED:
            self._refuse_while_stopping()
        return job

    @property
    def busy(self) -> bool:
        """Whether any job is being prepared, waits or runs."""
        return self._taken > 0 or (self._spare is not None and not self._spare.ended)

    async def run_spare(self, request: JobRequest) -> Job | None:
        """Run a request that nobody waits for; None where there are jobs already.

        A job that comes later cancels it. It takes no slot, and nobody can ask for it by its id.
        Raises what is wrong with the workflow or its parameters.
        """
        prepared = await self._client.prepare(str(uuid.uuid4()), request)
        if self.busy or self._stopping:
            return None
        job = self._spare = Job(prepared, self._metrics.meter(SPARE), resumable=False)
        job.task = asyncio.create_task(self._run(job, prepared, False), name=f"spare job {job.id}")
        job.task.add_done_callback(lambda _: _let_go(job))
        try:
            await asyncio.wait([job.task])
        finally:
            await _taken_out(job)
        return job

    def _make_way(self) -> None:
        """It leaves ComfyUI by itself: nobody has to wait for that."""
        if self._spare is not None and self._spare.task is not None:
            self._spare.task.cancel()

    async def _start(
        self, job_id: str, request: JobRequest, *, resume: bool = False, resumable: bool = True
    ) -> Job:
        """Holding a slot, which the job gives back when it ends."""
        self._taken += 1
        self._make_way()
        log.info(
            "Job %s: workflow=%.100r%s params=%s",
            job_id,
            request.workflow,
            " resume" if resume else "",
            describe(request.params, whole=log.isEnabledFor(logging.DEBUG)),
        )
        try:
            self._refuse_while_stopping()
            prepared = await self._client.prepare(job_id, request)
            self._refuse_while_stopping()
        except BaseException:
            self._release()
            raise
        self._forget_oldest()
        # Only what is in the folder: the stub takes any name.
        meter = self._metrics.meter(prepared.workflow.name if prepared.workflow else None)
        job = self._jobs[job_id] = Job(prepared, meter, resumable=resumable)
        job.task = asyncio.create_task(self._run(job, prepared, resume), name=f"job {job_id}")
        # Not in the task itself: one that is cancelled before its first step never runs.
        job.task.add_done_callback(lambda _: self._ended(job))
        return job

    def _ended(self, job: Job) -> None:
        self._release()
        _let_go(job)

    def _release(self) -> None:
        self._taken -= 1
        self._slots.release()

    async def _run(self, job: Job, prepared: PreparedJob, resume: bool) -> None:
        job.begun.set()
        try:
            job.succeed(await self._client.run(prepared, job, resume=resume))
        except GPUServiceError as exc:
            job.fail(exc)
        except Exception:
            log.exception("Job %s: this is a bug", job.id)
            job.fail(InternalError("This is our bug; the GPU service's log has the trace."))

    def get(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        if (job := self._jobs.get(job_id)) is None:
            raise JobNotFound(f"There is no job {job_id}. Put it again, with resume.")
        return job

    def output(self, job_id: str, number: int) -> JobOutput:
        """One of the files that the job made, from 0. Raises JobNotFound, OutputNotFound."""
        outputs = self.get(job_id).outputs
        if not 0 <= number < len(outputs):
            raise OutputNotFound(f"Job {job_id} has {len(outputs)} outputs, from 0.")
        return outputs[number]

    async def cancel(self, job_id: str) -> Job:
        """Take the job out of ComfyUI; one that has ended stays as it is.

        Raises JobNotFound, after taking out what an earlier process may have left there.
        """
        if job_id not in self._jobs:
            await self._client.cancel_left(job_id)
        return await _taken_out(self.get(job_id))

    def stop(self) -> None:
        """Start nothing more, and end all readers: the process ends.

        A job whose caller knows its id is left to ComfyUI: whoever comes back finds it there.
        """
        if self._stopping:
            return  # A second cancellation would break off the first one's taking out.
        self._stopping = True
        self._make_way()
        for job in self._jobs.values():
            job.events.close()
            if not job.ended and job.task is not None:
                job.abandoned = job.resumable
                job.task.cancel()

    async def close(self) -> None:
        """Stop, and wait until all is let go."""
        self.stop()
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refuse_while_stopping(self) -> None:
        if self._stopping:
            raise ServiceStopping(STOPPING)

    def _forget_oldest(self) -> None:
        ended = [job for job in self._jobs.values() if job.ended]
        size = sum(job.size for job in ended)
        while ended and (len(ended) >= KEPT_JOBS or size > KEPT_BYTES):
            oldest = ended.pop(0)
            size -= oldest.size
            del self._jobs[oldest.id]


def _let_go(job: Job) -> None:
    """Its task has ended, perhaps before its first step."""
    job.begun.set()
    if not job.ended and not job.abandoned:
        job.cancel()
    state, error = job.state.value if job.ended else None, job.error
    job.meter.ended(state, error.code if error else None, job.size)


async def _taken_out(job: Job) -> Job:
    if not job.ended and job.task is not None:
        await job.begun.wait()  # One that is resumed may be in ComfyUI already.
        job.task.cancel()
        await asyncio.wait([job.task])
    return job


def _same(job: Job, request: JobRequest) -> Job:
    if job.digest != request.digest:
        raise JobConflict(f"Job {job.id} is another request. Choose a new id.")
    return job
