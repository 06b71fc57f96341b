"""The background worker: a job that takes too long."""

import asyncio

import httpx
import pytest

from backend.services.live import LiveHub
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.making import kept, queued
from tests.backend.services.working import (
    MakeRunner,
    Working,
    ended,
    nothing_happens,
)
from tests.conditions import eventually


async def test_job_that_never_starts_is_given_up_and_cancelled(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, make_runner: MakeRunner
) -> None:
    gpu.answers(nothing_happens)
    await queued(store)
    async with working(runner=make_runner(0.1)):
        task = await ended(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "gpu_service_timeout")
    assert gpu.cancelled == [task.job_id]


async def test_job_that_never_ends_is_given_up_and_cancelled(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, make_runner: MakeRunner
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working(runner=make_runner(0.1)):
        task = await ended(store)
    assert (task.state, task.error_code) == (TaskState.FAILED, "gpu_service_timeout")
    assert gpu.cancelled == [task.job_id]


async def test_time_counts_anew_from_the_start(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    live: LiveHub,
    make_runner: MakeRunner,
) -> None:
    gpu.answers(nothing_happens)
    await queued(store)
    async with working(runner=make_runner(0.6)):
        await eventually(lambda: gpu.jobs)
        began = asyncio.get_running_loop().time()
        await eventually(lambda: asyncio.get_running_loop().time() > began + 0.4)
        gpu.jobs[0].start()
        await eventually(lambda: live.progress("t1"))
        await eventually(lambda: asyncio.get_running_loop().time() > began + 0.8)
        assert (await kept(store)).state is TaskState.RUNNING
        gpu.jobs[0].finish()
        assert (await ended(store)).state is TaskState.DONE


async def test_progress_buys_no_time(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, make_runner: MakeRunner
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working(runner=make_runner(0.2)):
        await eventually(lambda: gpu.jobs)

        async def fails() -> bool:
            gpu.jobs[0].progress(0.5)
            return (await kept(store)).state is TaskState.FAILED

        await eventually(fails)


async def test_gpu_service_that_cannot_be_reached_to_cancel_is_given_up_too(
    store: SQLiteTaskStore,
    gpu: GPUService,
    working: Working,
    make_runner: MakeRunner,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gpu.answers(FakeJob.start)
    gpu.delete.side_effect = httpx.ConnectError("refused")
    await queued(store)
    async with working(runner=make_runner(0.1)):
        task = await ended(store)
    assert task.error_code == "gpu_service_timeout"
    assert "could not be cancelled" in caplog.text
