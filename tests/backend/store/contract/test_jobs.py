"""Every task store: jobs, and cancelled tasks."""

import asyncio
from typing import Any

import pytest

from backend.correlation import Correlation
from backend.store.task_store import TaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.making import claimed, kept, offered, queued
from tests.backend.store.stores import Process


async def test_claimed_task_has_the_job(store: TaskStore) -> None:
    await queued(store)
    assert (await claimed(store, job_id="j1")).job_id == "j1"


@pytest.mark.parametrize(("keep_job", "job_id"), [(True, "j1"), (False, "j2")])
async def test_next_attempt_has_the_job_that_was_kept(
    store: TaskStore, keep_job: bool, job_id: str
) -> None:
    await queued(store)
    task = await claimed(store, job_id="j1")
    await store.release(task, not_before=0.0, spent=True, keep_job=keep_job)
    assert (await claimed(store, job_id="j2")).job_id == job_id


async def test_job_outlives_a_crash(process: Process) -> None:
    async with process() as before:
        await queued(before)
        await claimed(before, job_id="j1")
    async with process() as store:
        await store.recover(5, 3000.0, 3020.0)
        assert (await claimed(store, job_id="j2")).job_id == "j1"


async def test_values_are_kept(store: TaskStore) -> None:
    await queued(store)
    values = {"seed": 2**64 - 1, "prompt": "ü"}
    await store.finish(await claimed(store), Outcome(TaskState.DONE, values=values), 2500.0)
    assert (await kept(store)).values == values


async def test_queued_task_is_cancelled(store: TaskStore) -> None:
    await queued(store)
    task = await store.cancel("t1", 2500.0)
    assert task is not None
    assert (task.state, task.finished_at, task.job_id) == (TaskState.CANCELLED, 2500.0, None)
    assert await kept(store) == task


async def test_running_task_is_cancelled_with_its_job_told(store: TaskStore) -> None:
    await queued(store)
    await claimed(store)
    task = await store.cancel("t1", 2500.0)
    assert task is not None
    assert (task.state, task.job_id) == (TaskState.CANCELLED, "j1")


async def test_cancelled_task_is_not_claimed(store: TaskStore) -> None:
    await queued(store)
    await store.cancel("t1", 2500.0)
    assert await offered(store, 3000.0) is None


async def test_cancelled_task_is_not_recovered(process: Process) -> None:
    async with process() as before:
        await queued(before)
        await claimed(before)
        await before.cancel("t1", 2500.0)
    async with process() as store:
        assert await store.recover(1, 3000.0, 3020.0) == []
        assert (await kept(store)).state is TaskState.CANCELLED


@pytest.mark.parametrize("state", [TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED])
async def test_ended_task_is_not_cancelled(store: TaskStore, state: TaskState) -> None:
    await queued(store)
    await store.finish(await claimed(store), Outcome(state), 2500.0)
    before = await kept(store)
    assert await store.cancel("t1", 2600.0) is None
    assert await kept(store) == before


async def test_unknown_task_is_not_cancelled(store: TaskStore) -> None:
    assert await store.cancel("nope", 2500.0) is None


async def test_finish_of_a_cancelled_task_is_dropped(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    await store.cancel("t1", 2500.0)
    assert not await store.finish(task, Outcome(TaskState.DONE), 2600.0)
    assert (await kept(store)).state is TaskState.CANCELLED


async def test_release_of_a_cancelled_task_is_dropped(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    await store.cancel("t1", 2500.0)
    assert not await store.release(task, not_before=0.0, spent=False, keep_job=True)
    assert (await kept(store)).state is TaskState.CANCELLED


async def test_cancel_and_finish_at_once_have_one_winner(store: TaskStore) -> None:
    await queued(store)
    task = await claimed(store)
    cancelled, finished = await asyncio.gather(
        store.cancel("t1", 2500.0), store.finish(task, Outcome(TaskState.DONE), 2500.0)
    )
    assert (cancelled is None) == finished


async def running(store: TaskStore, task: Task) -> None:
    """Nothing has come between."""


async def released(store: TaskStore, task: Task) -> None:
    await store.release(task, not_before=0.0, spent=True)


async def claimed_again(store: TaskStore, task: Task) -> None:
    await store.release(task, not_before=0.0, spent=False)
    await claimed(store, job_id="j2")


async def cancelled(store: TaskStore, task: Task) -> None:
    await store.cancel(task.id, 2500.0)


async def finished(store: TaskStore, task: Task) -> None:
    await store.finish(task, Outcome(TaskState.DONE), 2500.0)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (running, True),
        (released, False),
        (claimed_again, False),
        (cancelled, False),
        (finished, False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_attempt_is_current_until_something_ends_it(
    store: TaskStore, event: Any, expected: bool
) -> None:
    await queued(store)
    task = await claimed(store)
    await event(store, task)
    assert await store.is_current(task) is expected


async def test_task_keeps_the_request_that_it_came_with(store: TaskStore) -> None:
    await queued(store, request_id="r-1", traceparent="00-ab-12-01")
    claim = await claimed(store)
    assert claim.correlation == Correlation("r-1", "00-ab-12-01", "t1")
    assert await kept(store) == claim
