"""Jobs of one process: their slots, their ends, and what is kept of them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gpu_server.comfy_client import JobRequest, PreparedJob, StubComfyClient
from gpu_server.comfyui.hearing import RunObserver
from gpu_server.comfyui.outputs import JobOutput
from gpu_server.errors import (
    ComfyUIUnavailable,
    GPUServiceError,
    JobNotFound,
    NoFreeSlot,
    ServiceStopping,
    WorkflowNotFound,
)
from gpu_server.services.job import JobState
from gpu_server.services.jobs import KEPT_BYTES, JobService
from tests.conditions import eventually
from tests.gpu_server.jobs import new_id

REQUEST = JobRequest("x", {})


class Engine:
    """Prepares once it may, and runs until it may end."""

    engine = StubComfyClient.engine
    alive, listening = True, False

    def __init__(self) -> None:
        self.may_prepare, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_prepare.set()
        self.prepared: list[str] = []
        self.running: list[str] = []
        self.error: Exception | None = None
        self.size = 0
        self.cancelled_unknown: list[str] = []

    async def cancel_left(self, job_id: str) -> None:
        self.cancelled_unknown.append(job_id)

    async def check_health(self) -> bool:
        return True

    def load_workflow(self, name: str) -> dict[str, Any]:
        return {}

    async def execute_workflow(self, name: str, params: dict[str, Any]) -> str:
        return ""

    async def prepare(self, job_id: str, request: JobRequest) -> PreparedJob:
        self.prepared.append(job_id)
        await self.may_prepare.wait()
        if isinstance(self.error, GPUServiceError):
            raise self.error
        return PreparedJob(job_id, request)

    async def run(
        self, job: PreparedJob, observer: RunObserver, *, resume: bool = False
    ) -> list[JobOutput]:
        self.running.append(job.id)
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return [JobOutput("1", "a", "image/png", bytes(self.size))]


async def ended(service: JobService, job_id: str) -> JobState:
    job = service.get(job_id)
    await eventually(lambda: job.ended)
    return job.state


async def test_job_that_is_refused_gives_its_slot_back() -> None:
    engine = Engine()
    engine.error = WorkflowNotFound("no")
    service = JobService(engine, slots=1)
    for _ in range(3):
        with pytest.raises(WorkflowNotFound):
            await service.put(new_id(), REQUEST)


@pytest.mark.parametrize("error", [ComfyUIUnavailable("away"), ZeroDivisionError("a secret")])
async def test_job_that_fails_gives_its_slot_back(error: Exception) -> None:
    engine = Engine()
    service = JobService(engine, slots=1)
    engine.may_end.set()
    for _ in range(3):
        job, _ = await service.put(new_id(), REQUEST)
        engine.error = error
        assert await ended(service, job.id) is JobState.FAILED
        engine.error = None


async def test_bug_is_told_as_one_and_its_trace_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine()
    service = JobService(engine, slots=1)
    job, _ = await service.put(new_id(), REQUEST)
    engine.error = ZeroDivisionError("a secret")
    engine.may_end.set()
    assert await ended(service, job.id) is JobState.FAILED
    assert "a secret" not in str(job.document())
    assert "ZeroDivisionError: a secret" in caplog.text


async def test_caller_who_leaves_while_its_job_is_prepared_gives_its_slot_back() -> None:
    engine = Engine()
    engine.may_prepare.clear()
    service = JobService(engine, slots=1)
    putting = asyncio.create_task(service.put(new_id(), REQUEST))
    await eventually(lambda: engine.prepared)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    engine.may_prepare.set()
    assert (await service.put(new_id(), REQUEST))[1] is True


async def test_slot_that_is_being_prepared_is_taken() -> None:
    engine = Engine()
    engine.may_prepare.clear()
    service = JobService(engine, slots=1)
    putting = asyncio.create_task(service.put(new_id(), REQUEST))
    await eventually(lambda: engine.prepared)
    with pytest.raises(NoFreeSlot):
        await service.put(new_id(), REQUEST)
    engine.may_prepare.set()
    await putting


Start = Callable[[JobService], Any]


@pytest.mark.parametrize(
    "start",
    [lambda service: service.put(new_id(), REQUEST), lambda service: service.run(REQUEST)],
    ids=["put", "run"],
)
async def test_job_that_is_prepared_while_the_service_stops_is_not_started(start: Start) -> None:
    engine = Engine()
    engine.may_prepare.clear()
    service = JobService(engine, slots=1)
    starting = asyncio.ensure_future(start(service))
    await eventually(lambda: engine.prepared)
    service.stop()
    engine.may_prepare.set()
    with pytest.raises(ServiceStopping):
        await starting
    await asyncio.wait_for(service.close(), 1)
    assert engine.running == []


async def test_job_that_is_stopped_before_its_first_step_holds_nobody_up() -> None:
    service = JobService(Engine(), slots=1)
    job, _ = await service.put(new_id(), REQUEST)
    service.stop()
    await asyncio.wait_for(service.cancel(job.id), 1)
    await asyncio.wait_for(service.close(), 1)


async def test_job_that_is_cancelled_before_its_first_step_has_taken_it() -> None:
    """One that is resumed may be in ComfyUI already: only its task can take it out there."""
    engine = Engine()
    service = JobService(engine, slots=1)
    job, _ = await service.put(new_id(), REQUEST)
    await service.cancel(job.id)
    assert (engine.running, job.state) == ([job.id], JobState.CANCELLED)


async def test_oldest_ended_jobs_are_forgotten_and_no_running_one() -> None:
    """What is kept is bounded by its bytes, too."""
    engine = Engine()
    engine.size = KEPT_BYTES // 2
    service = JobService(engine, slots=2)
    running, _ = await service.put(new_id(), REQUEST)
    await eventually(lambda: engine.running)
    engine.may_end = asyncio.Event()
    engine.may_end.set()
    ids = [new_id() for _ in range(4)]
    for job_id in ids:
        await service.put(job_id, REQUEST)
        await ended(service, job_id)
    with pytest.raises(JobNotFound):
        service.get(ids[0])
    assert service.get(ids[-1]).ended
    assert service.get(running.id) is running
    await service.close()


async def test_cancelling_an_unknown_job_reaches_what_an_earlier_process_left() -> None:
    engine = Engine()
    service = JobService(engine, 1)
    with pytest.raises(JobNotFound):
        await service.cancel("lost")
    assert engine.cancelled_unknown == ["lost"]
