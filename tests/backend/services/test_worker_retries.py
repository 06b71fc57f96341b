"""The background worker: what is tried again, and when."""

from typing import Any

import httpx
import pytest

from backend.services.gpu_services import GPUServices
from backend.services.pace import Pace
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import TaskState
from tests.backend.gpu_service import GPUService, at_once
from tests.backend.making import kept, queued
from tests.backend.services.working import Working, ended, problem
from tests.conditions import eventually


@pytest.mark.parametrize(
    "trouble",
    [problem(502), httpx.Response(500, text="Bad gateway"), httpx.ReadError("broke off")],
    ids=["502 problem", "500", "broken connection"],
)
async def test_retryable_trouble_is_tried_again(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, trouble: Any
) -> None:
    gpu.answers(trouble)
    await queued(store)
    async with working():
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 2)


async def test_last_attempt_fails_with_the_reason(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.always(problem(502))
    await queued(store)
    async with working(max_attempts=3):
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.FAILED, 3)
    assert task.error == "ComfyUI restarted. (after 3 attempts)"
    assert task.error_code == "comfyui_lost_job"
    assert gpu.put.call_count == 3


async def test_wait_before_the_next_attempt_is_drawn_from_a_growing_span(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    spans: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        spans.append((low, high))
        return 0.0

    gpu.always(problem(502))
    await queued(store)
    async with working(max_attempts=5, jitter=jitter, pace=Pace(idle=0.02, backoff=6.0)):
        await ended(store)
    assert spans == [(0.0, 2.0), (0.0, 4.0), (0.0, 6.0), (0.0, 6.0)]


async def test_task_that_waits_lets_others_pass(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.answers(problem(502))
    await queued(store, "waits")
    await queued(store, "passes")
    async with working(jitter=lambda low, high: 60.0):
        assert (await ended(store, "passes")).state is TaskState.DONE
        assert (await kept(store, "waits")).state is TaskState.QUEUED


async def test_task_waits_for_a_gpu_service_that_is_away(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.health.side_effect = httpx.ConnectError("refused")
    gpu.always(httpx.ConnectError("refused"))
    await queued(store)
    async with working(max_attempts=1):
        before = gpu.health.call_count
        await eventually(lambda: gpu.health.call_count > before + 3)
        task = await kept(store)
    assert (task.state, task.attempt) == (TaskState.QUEUED, 0)
    assert gpu.put.call_count == 1


async def test_task_is_done_without_help_once_the_gpu_service_is_back(
    store: SQLiteTaskStore, gpu: GPUService, working: Working
) -> None:
    gpu.health.side_effect = httpx.ConnectError("refused")
    gpu.always(httpx.ConnectError("refused"))
    await queued(store)
    async with working(max_attempts=1):
        await eventually(lambda: gpu.health.called)
        gpu.health.side_effect = None
        gpu.always(at_once)
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)


async def test_gpu_service_whose_health_alone_answers_is_not_hammered(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, services: GPUServices
) -> None:
    gpu.always(httpx.ConnectError("refused"))
    await queued(store)
    async with services.kept_fresh(0.02), working(pace=Pace(away=60)):
        await eventually(lambda: gpu.put.called)
        looks = gpu.workflows.call_count
        await eventually(lambda: gpu.workflows.call_count > looks + 3)
    assert gpu.put.call_count == 1


@pytest.mark.parametrize("code", ["comfyui_unavailable", "service_stopping"])
async def test_attempt_that_never_began_is_not_spent(
    store: SQLiteTaskStore, gpu: GPUService, working: Working, code: str
) -> None:
    gpu.answers(*[problem(503, code=code) for _ in range(3)])
    await queued(store)
    async with working(max_attempts=1):
        task = await ended(store)
    assert (task.state, task.attempt) == (TaskState.DONE, 1)
    assert gpu.put.call_count == 4
