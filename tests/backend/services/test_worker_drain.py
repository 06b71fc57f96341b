"""The background worker drains: it takes nothing more, and waits for what runs."""

import asyncio
import time

import anyio
import httpx
import pytest

from backend.services.pace import Pace
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import FakeJob, GPUService
from tests.backend.making import kept, queued
from tests.backend.services.working import Working, ended, put_ids, resumes
from tests.conditions import eventually


async def test_drained_worker_takes_nothing_more(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    async with working() as worker:
        await worker.drain(5)
        await queued(store)
        worker.wake()
        await anyio.wait_all_tasks_blocked()
        assert (await kept(store)).state is TaskState.QUEUED
    assert not gpu.put.called


async def test_drain_waits_for_what_runs(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    release = gpu.holds()
    for name in ("runs", "waits"):
        await queued(store, name)
    async with working() as worker:
        await eventually(lambda: gpu.jobs)
        draining = asyncio.create_task(worker.drain(5))
        await anyio.wait_all_tasks_blocked()
        assert not draining.done()
        release.set()
        await draining
        assert (await kept(store, "runs")).state is TaskState.DONE
        assert (await kept(store, "waits")).state is TaskState.QUEUED


async def test_drain_waits_so_long_and_no_longer(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.holds()
    await queued(store)
    async with working() as worker:
        await eventually(lambda: gpu.jobs)
        began = time.monotonic()
        await worker.drain(0.2)
        assert 0.15 < time.monotonic() - began < 2
        assert (await kept(store)).state is TaskState.RUNNING


async def test_what_still_runs_at_the_exit_is_found_again_by_the_next(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working() as worker:
        await eventually(lambda: gpu.jobs)
        await worker.drain(0.0)
    left = await kept(store)
    assert (left.state, left.attempt, left.job_id) == (TaskState.QUEUED, 0, gpu.jobs[0].id)
    assert gpu.cancelled == []
    async with working():
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)
    assert put_ids(gpu) == [left.job_id, left.job_id]
    assert resumes(gpu) == [False, True]


@pytest.mark.parametrize("slots", [1, 3])
async def test_drain_of_an_idle_worker_is_over_at_once(
    gpu: GPUService, working: Working, slots: int
) -> None:
    async with working(slots=slots, pace=Pace(idle=60, away=60)) as worker:
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(2):
            await worker.drain(60)


async def test_drain_does_not_wait_for_a_gpu_service_that_is_away(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.goes_away()
    await queued(store)
    async with working(pace=Pace(idle=60, away=60)) as worker:
        await eventually(lambda: gpu.put.called)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(2):
            await worker.drain(60)
    assert (await kept(store)).state is TaskState.QUEUED


async def test_draining_worker_is_alive(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    """It does what it was told: /health is no cause for alarm."""
    async with working() as worker:
        await worker.drain(5)
        assert worker.alive


async def test_attempt_that_fails_while_it_drains_is_put_back(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(FakeJob.start)
    await queued(store)
    async with working() as worker:
        await eventually(lambda: gpu.jobs)
        draining = asyncio.create_task(worker.drain(5))
        await anyio.wait_all_tasks_blocked()
        gpu.jobs[0].break_off(httpx.ReadError("broke off"))
        await draining
        task = await kept(store)
    assert (task.state, task.attempt, task.job_id) == (TaskState.QUEUED, 1, gpu.jobs[0].id)
