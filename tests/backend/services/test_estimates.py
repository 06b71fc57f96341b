"""How long a task will take."""

import pytest

from backend.services.estimates import FRESH_SECONDS, Estimates
from backend.store.runs import Run
from backend.store.sqlite.store import SQLiteTaskStore
from backend.tasks import Outcome, Task, TaskState
from tests.backend.gpu_service import GPU_URL, OTHER_URL
from tests.backend.making import a_task, claimed, queued

NOW = 5000.0
NEVER = "never_ran"


async def ran(store: SQLiteTaskStore, *seconds: float, workflow: str = "free_generation") -> None:
    for each in seconds:
        name = f"{workflow} of {each}"
        await queued(store, name, workflow=workflow)
        task = await claimed(store, 2000.0, job_id=name)
        await store.finish(task, Outcome(TaskState.DONE), 2000.0 + each)


def estimates_of(store: SQLiteTaskStore, at_once: int = 1, now: float = NOW) -> Estimates:
    return Estimates(store, lambda: at_once, clock=lambda: now)


def running(task_id: str = "t1", service: str = GPU_URL) -> Task:
    return a_task(task_id, state=TaskState.RUNNING, service=service)


def a_run(
    task_id: str = "t1",
    began: float = NOW,
    service: str = GPU_URL,
    workflow: str = "free_generation",
) -> Run:
    return Run(task_id, workflow, service, began)


async def test_nobody_knows_of_a_workflow_that_never_ran(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    assert await estimates_of(store).seconds(a_task(workflow=NEVER), [a_run()], 0) is None


@pytest.mark.parametrize(
    ("position", "at_once", "seconds"), [(0, 1, 10.0), (2, 1, 30.0), (3, 2, 20.0), (4, 2, 30.0)]
)
async def test_waiting_task_takes_its_turn(
    store: SQLiteTaskStore, position: int, at_once: int, seconds: float
) -> None:
    await ran(store, 10.0, 1.0, 90.0)
    assert await estimates_of(store, at_once).seconds(a_task(), [], position) == seconds


async def test_where_no_gpu_service_answers_one_is_waited_for(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    assert await estimates_of(store, at_once=0).seconds(a_task(), [], 1) == 20.0


async def test_running_task_has_run_for_a_while(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    runs = [a_run(began=NOW - 4.0)]
    assert await estimates_of(store).seconds(running(), runs, None) == 6.0


async def test_task_that_takes_longer_than_usual_is_due_at_once(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    runs = [a_run(began=NOW - 4000.0)]
    assert await estimates_of(store).seconds(running(), runs, None) == 0.0


async def test_task_that_is_only_ready_waits_for_the_one_before_it(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    runs = [a_run("first", NOW - 4.0), a_run("elsewhere", NOW - 4.0, OTHER_URL), a_run("second")]
    assert await estimates_of(store).seconds(running("second"), runs, None) == 16.0


async def test_task_that_has_ended_just_now_is_due_at_once(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    assert await estimates_of(store).seconds(running(), [a_run("next")], None) == 0.0


async def test_waiting_task_waits_for_all_that_run(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    runs = [a_run("first", NOW - 4.0), a_run("second")]
    estimates = estimates_of(store)
    assert [await estimates.seconds(a_task(), runs, each) for each in (0, 1)] == [26.0, 36.0]


async def test_gpu_service_that_is_free_first_takes_the_next(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    runs = [a_run("first", NOW - 4.0), a_run("second"), a_run("elsewhere", NOW - 1.0, OTHER_URL)]
    estimates = estimates_of(store, at_once=2)
    # They are free in 16 and in 9 seconds.
    found = [await estimates.seconds(a_task(), runs, each) for each in range(3)]
    assert found == [19.0, 26.0, 29.0]


async def test_idle_gpu_service_takes_the_next_at_once(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    assert await estimates_of(store, at_once=2).seconds(a_task(), [a_run("first")], 0) == 10.0


async def test_what_runs_takes_as_long_as_its_own_workflow(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    await ran(store, 60.0, workflow="video")
    runs = [a_run("first", NOW - 4.0, workflow="video")]
    assert await estimates_of(store).seconds(a_task(), runs, 0) == 66.0


async def test_what_runs_for_the_first_time_is_taken_to_run_as_long(store: SQLiteTaskStore) -> None:
    await ran(store, 10.0)
    runs = [a_run("first", NOW - 4.0, workflow=NEVER)]
    assert await estimates_of(store).seconds(a_task(), runs, 0) == 16.0


@pytest.mark.parametrize("state", [state for state in TaskState if state.ended])
async def test_ended_task_needs_no_time(store: SQLiteTaskStore, state: TaskState) -> None:
    await ran(store, 10.0)
    assert await estimates_of(store).seconds(a_task(state=state), [], None) is None


async def test_median_is_looked_for_again_after_a_while(store: SQLiteTaskStore) -> None:
    now = NOW
    estimates = Estimates(store, lambda: 1, clock=lambda: now)
    await ran(store, 10.0)
    assert await estimates.seconds(a_task(), [], 0) == 10.0
    await ran(store, 30.0, 31.0)
    assert await estimates.seconds(a_task(), [], 0) == 10.0
    now += FRESH_SECONDS
    assert await estimates.seconds(a_task(), [], 0) == 30.0
