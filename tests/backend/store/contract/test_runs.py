"""Since when tasks run, and how long they ran: one after the other on each GPU service."""

import pytest

from backend.store.runs import Run
from backend.store.task_store import TaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.making import SERVICE_URL, claimed, queued

WORKFLOW = "free_generation"
OTHER = "http://other.test:8001"
DONE = Outcome(TaskState.DONE)


async def begun(store: TaskStore, task_id: str, now: float, service: str = SERVICE_URL) -> Task:
    await queued(store, task_id)
    return await claimed(store, now, job_id=f"job of {task_id}", service=service)


async def since(store: TaskStore) -> dict[str, float]:
    return {run.task_id: run.began for run in await store.running()}


async def test_nothing_runs_at_first(store: TaskStore) -> None:
    await queued(store)
    assert await store.running() == []


async def test_what_runs_is_told_in_the_order_of_its_claims(store: TaskStore) -> None:
    await begun(store, "late", 2001.0, OTHER)
    await begun(store, "early", 2000.0)
    assert await store.running() == [
        Run("early", WORKFLOW, SERVICE_URL, 2000.0),
        Run("late", WORKFLOW, OTHER, 2001.0),
    ]


@pytest.mark.parametrize("state", [state for state in TaskState if state.ended])
async def test_task_has_begun_when_the_one_before_it_ended(
    store: TaskStore, state: TaskState
) -> None:
    first = await begun(store, "first", 2000.0)
    await begun(store, "second", 2001.0)
    await store.finish(first, Outcome(state), 2010.0)
    assert await since(store) == {"second": 2010.0}


async def test_another_gpu_service_s_task_is_not_before_it(store: TaskStore) -> None:
    other = await begun(store, "other", 2000.0, OTHER)
    await begun(store, "t1", 2001.0)
    await store.finish(other, DONE, 2010.0)
    assert await since(store) == {"t1": 2001.0}


async def test_task_behind_it_that_was_cancelled_was_not_before_it(store: TaskStore) -> None:
    await begun(store, "t1", 2000.0)
    await begun(store, "behind", 2001.0)
    await store.cancel("behind", 2010.0)
    assert await since(store) == {"t1": 2000.0}


async def test_wait_for_the_task_before_is_no_part_of_the_run(store: TaskStore) -> None:
    tasks = [await begun(store, f"t{number}", 2000.0 + number) for number in range(3)]
    for task, end in zip(tasks, (2010.0, 2013.0, 2020.0), strict=True):
        await store.finish(task, DONE, end)
    assert await store.run_seconds(WORKFLOW, 5) == [7.0, 3.0, 10.0]


async def test_task_before_it_that_ended_later_shortens_no_run(store: TaskStore) -> None:
    slow = await begun(store, "slow", 2000.0)
    await store.finish(await begun(store, "t1", 2001.0), DONE, 2005.0)
    await store.finish(slow, DONE, 2010.0)
    assert await store.run_seconds(WORKFLOW, 5) == [10.0, 4.0]
