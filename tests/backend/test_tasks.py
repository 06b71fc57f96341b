"""A task's states, and its place in the queue."""

import pytest

from backend.tasks import Job, Priority, TaskState
from tests.backend.making import a_task


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (TaskState.QUEUED, False),
        (TaskState.RUNNING, False),
        (TaskState.DONE, True),
        (TaskState.FAILED, True),
        (TaskState.CANCELLED, True),
    ],
)
def test_state_knows_whether_it_is_the_end(state: TaskState, ended: bool) -> None:
    assert state.ended is ended


def test_tier_is_worth_so_many_seconds() -> None:
    assert [priority.rank(1000.0, 600.0) for priority in Priority] == [400.0, 1000.0, 1600.0]


def test_low_task_is_before_a_high_one_that_comes_two_spans_later() -> None:
    assert Priority.LOW.rank(1000.0, 600.0) < Priority.HIGH.rank(2201.0, 600.0)
    assert Priority.LOW.rank(1000.0, 600.0) > Priority.HIGH.rank(2199.0, 600.0)


def test_without_ageing_tiers_are_worth_nothing() -> None:
    assert len({priority.rank(1000.0, 0.0) for priority in Priority}) == 1


def test_task_without_a_job_id_has_no_job() -> None:
    assert a_task().job is None
    assert a_task(job_id="j1", service="http://gpu").job == Job("j1", "http://gpu")
