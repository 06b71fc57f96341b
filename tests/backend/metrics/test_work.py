"""Tasks as they are counted."""

import pytest

from backend.metrics.work import MOST_CODES, place_of
from backend.tasks import Outcome, Output, TaskState
from tests.backend.counting import Counted
from tests.backend.making import a_task


@pytest.fixture
def counted() -> Counted:
    return Counted()


OUTPUTS = (Output("a.png", "image/png", 300), Output("b.png", "image/png", 40))


def test_modes_that_there_are_not_share_one_series(counted: Counted) -> None:
    for mode in ("free", "made up", "another"):
        counted.metrics.submitted(mode)
    assert counted.now.value("gateway_tasks_submitted_total", mode="free") == 1
    assert counted.now.value("gateway_tasks_submitted_total", mode="other") == 2


def test_failures_are_counted_by_their_codes(counted: Counted) -> None:
    for code in ("comfyui_lost_job", "No code, but a sentence.", "x" * 41, None):
        counted.metrics.ended(a_task(), TaskState.FAILED, code)
    assert counted.now.value("gateway_task_failures_total", code="comfyui_lost_job") == 1
    assert counted.now.value("gateway_task_failures_total", code="other") == 3


def test_so_many_codes_have_series_of_their_own_and_no_more(counted: Counted) -> None:
    for number in range(MOST_CODES + 5):
        counted.metrics.retried(f"code_{number}", spent=True)
    counted.metrics.retried("code_0", spent=True)
    retries = "gateway_task_retries_total"
    assert len(counted.now.labels(retries)) == MOST_CODES + 1
    assert counted.now.value(retries, reason="other") == 5
    assert counted.now.value(retries, reason="code_0") == 2


def test_task_that_is_done_tells_how_long_it_waited_and_ran_and_what_it_made(
    counted: Counted,
) -> None:
    task = a_task(created_at=1000.0, started_at=1030.0, attempt=2)
    counted.metrics.finished(task, Outcome(TaskState.DONE, outputs=OUTPUTS), 1034.0)
    seen = counted.now
    assert seen.value("gateway_task_wait_seconds_sum", mode="free") == 30
    assert seen.value("gateway_task_run_seconds_sum", mode="free") == 4
    assert seen.value("gateway_task_output_bytes_total", mode="free") == 340
    assert seen.value("gateway_tasks_ended_total", mode="free", state="done") == 1


def test_failure_is_no_run(counted: Counted) -> None:
    outcome = Outcome(TaskState.FAILED, error_code="comfyui_timeout")
    counted.metrics.finished(a_task(started_at=1030.0), outcome, 1034.0)
    assert counted.now.value("gateway_task_wait_seconds_count", mode="free") == 1
    assert counted.now.value("gateway_task_run_seconds_count", mode="free") is None


def test_wait_of_a_task_that_was_retried_by_hand_is_none(counted: Counted) -> None:
    task = a_task(created_at=1.0, started_at=99000.0, first_attempt=5)
    counted.metrics.finished(task, Outcome(TaskState.DONE), 99001.0)
    assert counted.now.value("gateway_task_wait_seconds_count", mode="free") is None


@pytest.mark.parametrize(
    ("url", "place"),
    [("http://gpu.test:8001", "gpu.test:8001"), ("https://me:pass@word@gpu.test", "gpu.test")],
)
def test_gpu_service_is_named_without_its_password(url: str, place: str) -> None:
    assert place_of(url) == place
