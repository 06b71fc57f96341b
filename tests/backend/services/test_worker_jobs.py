"""The background worker: a job that it follows, and one that is refused or fails."""

import time
from typing import Any

import pytest

from backend.services.live import LiveHub, LiveProgress
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.making import queued
from tests.backend.services.working import (
    RETRYABLE,
    Working,
    ended,
    problem,
    put_ids,
    resumes,
)
from tests.conditions import eventually


async def test_started_job_shows_no_progress_yet(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub
) -> None:
    gpu.always(FakeJob.start)
    await queued(store)
    async with working():
        assert await eventually(lambda: live.progress("t1")) == LiveProgress(0.0)


async def test_calls_for_a_task_belong_to_it_and_to_its_request(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    """Whichever process took the request: it is kept with the task."""
    await queued(store, request_id="r-1", traceparent="00-ab-12-01")
    async with working():
        await ended(store)
    told = {"X-Request-ID": "r-1", "X-Task-ID": "t1", "traceparent": "00-ab-12-01"}
    for call in (*gpu.put.calls, *gpu.output.calls):
        assert {name: call.request.headers[name] for name in told} == told


async def test_progress_and_node_are_on_the_board_while_it_runs(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub
) -> None:
    gpu.always(FakeJob.start)
    await queued(store)
    async with working():
        await eventually(lambda: live.progress("t1"))
        gpu.jobs[0].progress(0.25, "KSampler")
        await eventually(lambda: live.progress("t1") == LiveProgress(0.25, "KSampler"))


@pytest.mark.parametrize("end", [FakeJob.finish, FakeJob.fail, FakeJob.cancel])
async def test_ended_job_leaves_the_board(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub, end: Any
) -> None:
    gpu.always(FakeJob.start)
    await queued(store)
    async with working():
        await eventually(lambda: live.progress("t1"))
        end(gpu.jobs[0])
        await ended(store)
        assert live.progress("t1") is None


async def test_lost_connection_clears_the_board(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub
) -> None:
    gpu.always(FakeJob.start)
    await queued(store)
    async with working(jitter=lambda low, high: 60.0):
        await eventually(lambda: live.progress("t1"))
        gpu.jobs[0].break_off()
        await eventually(lambda: live.progress("t1") is None)


async def test_heartbeats_and_events_of_no_interest_are_passed_over(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    def chatters(job: FakeJob) -> None:
        job.heartbeat()
        job.tell("queued", position=1)
        job.heartbeat()
        job.start()
        job.tell("preview", content_type="image/jpeg", image="aGk=")
        job.tell("something new", anything=[1])
        job.heartbeat()
        job.finish()

    gpu.answers(chatters)
    await queued(store)
    async with working(max_attempts=1):
        assert (await ended(store)).state is TaskState.DONE


async def test_event_that_comes_in_pieces_is_one(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub
) -> None:
    gpu.always(FakeJob.start)
    await queued(store)
    async with working():
        await eventually(lambda: live.progress("t1"))
        for piece in ("event: progress\nda", 'ta: {"progress": 0.5, "node_', 'title": "ü"}\n\n'):
            gpu.jobs[0].wire.put(piece.encode())
        await eventually(lambda: live.progress("t1") == LiveProgress(0.5, "ü"))


async def test_answer_is_let_go_of_when_the_worker_stops(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.always(FakeJob.start)
    await queued(store)
    async with working():
        await eventually(lambda: gpu.jobs)
    await eventually(lambda: gpu.jobs[0].wire.left)
    assert gpu.cancelled == []


async def test_no_free_slot_is_waited_out(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    full = problem(429, code="no_free_slot", detail="All slots are taken.")
    gpu.answers(full, full)
    await queued(store)
    async with working(max_attempts=1):
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)
    assert len(put_ids(gpu)) == 3


async def test_stopping_gpu_service_is_asked_for_the_same_job_later(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(problem(503, code="service_stopping"))
    await queued(store)
    async with working():
        task = await ended(store)
    assert put_ids(gpu) == [task.job_id, task.job_id]
    assert resumes(gpu) == [True]


@pytest.mark.parametrize("code", ["comfyui_lost_job", "comfyui_output_broken"])
async def test_job_that_failed_and_may_be_tried_again_is_a_new_job(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, code: str
) -> None:
    gpu.answers(lambda job: job.fail(**{**RETRYABLE, "code": code}))
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 2)
    assert len(set(put_ids(gpu))) == 2
    assert resumes(gpu) == [False, False]


async def test_refused_job_is_a_new_job_when_it_is_tried_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(problem(502, code="comfyui_error"))
    await queued(store)
    async with working():
        await ended(store)
    assert len(set(put_ids(gpu))) == 2
    assert resumes(gpu) == [False]


async def test_job_that_fails_every_time_has_failed_with_its_reason(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.always(lambda job: job.fail(**RETRYABLE))
    await queued(store)
    async with working(max_attempts=2):
        task = await ended(store)
    assert (task.state, task.attempt, task.error_code) == (
        TaskState.FAILED,
        2,
        "comfyui_lost_job",
    )
    assert task.error == "ComfyUI restarted. (after 2 attempts)"


async def test_progress_after_a_cancel_leaves_nothing_behind(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, live: LiveHub
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working():
        await eventually(lambda: gpu.jobs)
        await store.cancel("t1", time.time())
        live.changed("t1", ended=True)
        gpu.jobs[0].progress(0.5, "KSampler")
        await eventually(lambda: live.progress("t1"))
        gpu.jobs[0].finish()
        await eventually(lambda: live.progress("t1") is None)
