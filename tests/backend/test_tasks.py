"""A task's states."""

import pytest

from backend.tasks import TaskState


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
