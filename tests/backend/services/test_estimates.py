"""How long a task will take."""

import pytest

from backend.services.estimates import FRESH_SECONDS, Estimates
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.making import a_task, claimed, queued


async def ran(store: SQLiteTaskStore, *seconds: float) -> None:
    for number, each in enumerate(seconds):
        await queued(store, f"ran{number}-{each}")
        task = await claimed(store, 2000.0, job_id=f"j{number}-{each}")
        await store.finish(task, Outcome(TaskState.DONE), 2000.0 + each)


def running(since: float) -> Task:
    return a_task(state=TaskState.RUNNING, started_at=since)


async def test_nobody_knows_of_a_workflow_that_never_ran(store: SQLiteTaskStore) -> None:
    assert await Estimates(store, 1).seconds(a_task(), 0) is None


@pytest.mark.parametrize(
    ("position", "slots", "seconds"), [(0, 1, 10.0), (2, 1, 30.0), (3, 2, 20.0), (4, 2, 30.0)]
)
async def test_waiting_task_takes_its_turn(
    store: SQLiteTaskStore, position: int, slots: int, seconds: float
) -> None:
    await ran(store, 10.0, 1.0, 90.0)
    assert await Estimates(store, slots).seconds(a_task(), position) == seconds


async def test_running_task_has_run_for_a_while(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    estimates = Estimates(store, 1, clock=lambda: 5004.0)
    assert await estimates.seconds(running(since=5000.0), None) == 6.0


async def test_task_that_takes_longer_than_usual_is_due_at_once(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    assert await Estimates(store, 1, clock=lambda: 9000.0).seconds(running(5000.0), None) == 0.0


@pytest.mark.parametrize("state", [state for state in TaskState if state.ended])
async def test_ended_task_needs_no_time(store: SQLiteTaskStore, state: TaskState) -> None:
    await ran(store, 10.0)
    assert await Estimates(store, 1).seconds(a_task(state=state), None) is None


async def test_median_is_looked_for_again_after_a_while(store: SQLiteTaskStore) -> None:
    now = 5000.0
    estimates = Estimates(store, 1, clock=lambda: now)
    await ran(store, 10.0)
    assert await estimates.seconds(a_task(), 0) == 10.0
    await ran(store, 30.0, 30.0)
    assert await estimates.seconds(a_task(), 0) == 10.0
    now += FRESH_SECONDS
    assert await estimates.seconds(a_task(), 0) == 30.0
