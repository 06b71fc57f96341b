"""Jobs as they are counted."""

import pytest
from prometheus_client import CollectorRegistry

from gpu_server.metrics.jobs import JobMetrics
from tests.exposition import Exported, exported

BUSY = "gateway_gpu_busy_seconds_total"


class Counted:
    """Metrics with a clock of their own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.registry = CollectorRegistry()
        self.metrics = JobMetrics(self.registry, clock=lambda: self.now)

    @property
    def seen(self) -> Exported:
        return exported(self.registry)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_busy_time_goes_on_while_a_job_runs(counted: Counted) -> None:
    job = counted.metrics.meter("selftest")
    counted.now += 5  # It waits.
    job.started()
    counted.now += 2
    assert counted.seen.value(BUSY) == 2
    counted.now += 1
    job.ended("done", size=10)
    counted.now += 50
    assert counted.seen.value(BUSY) == 3


def test_jobs_at_the_same_time_make_it_busy_once(counted: Counted) -> None:
    first, second = counted.metrics.meter("a"), counted.metrics.meter("a")
    first.started()
    counted.now += 1
    second.started()
    counted.now += 1
    first.ended("done")
    counted.now += 1
    second.ended("done")
    assert counted.seen.value(BUSY) == 3


def test_job_tells_how_long_it_waited_and_ran_and_what_it_made(counted: Counted) -> None:
    job = counted.metrics.meter("selftest")
    assert counted.seen.value("gateway_gpu_jobs_open", state="queued") == 1
    counted.now += 5
    job.started()
    assert counted.seen.value("gateway_gpu_jobs_open", state="queued") == 0
    assert counted.seen.value("gateway_gpu_jobs_open", state="running") == 1
    counted.now += 3
    job.ended("done", size=10)
    seen = counted.seen
    assert seen.value("gateway_gpu_jobs_open", state="running") == 0
    assert seen.value("gateway_gpu_job_wait_seconds_sum", workflow="selftest") == 5
    assert seen.value("gateway_gpu_job_run_seconds_sum", workflow="selftest") == 3
    assert seen.value("gateway_gpu_output_bytes_total", workflow="selftest") == 10
    assert seen.value("gateway_gpu_jobs_ended_total", workflow="selftest", state="done") == 1


def test_job_that_never_began_runs_no_time(counted: Counted) -> None:
    counted.metrics.meter("selftest").ended("cancelled")
    seen = counted.seen
    assert seen.value("gateway_gpu_jobs_open", state="queued") == 0
    assert seen.value("gateway_gpu_job_run_seconds_count") is None
    assert seen.value(BUSY) == 0


def test_job_that_is_left_to_comfyui_has_not_ended_there(counted: Counted) -> None:
    job = counted.metrics.meter(None)
    job.started()
    job.ended(None)
    ended = "gateway_gpu_jobs_ended_total"
    assert counted.seen.value(ended, workflow="other", state="abandoned") == 1


def test_failure_is_told_by_its_code(counted: Counted) -> None:
    counted.metrics.meter("a").ended("failed", "comfyui_timeout")
    counted.metrics.meter("a").ended("failed", "made up")
    for code in ("comfyui_timeout", "other"):
        assert counted.seen.value("gateway_gpu_job_failures_total", code=code) == 1
