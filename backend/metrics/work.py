"""Tasks, and what is done with them, as this process sees it."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from backend.tasks import Outcome, Task, TaskState

WAITS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
RUNS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)
OTHER = "other"
BY_HAND, WORKER_GONE, STORAGE = "by_hand", "worker_gone", "storage"
CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST_CODES = 100
"""Ours and the GPU services' are fewer: what comes beyond is `other`."""


class WorkMetrics:
    """Only modes that there are have series of their own: `knows_mode` says which they are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.knows_mode: Callable[[str], bool] = lambda _: False
        self._codes: set[str] = set()

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"gateway_{name}", told, labels, registry=registry)

        def gauge(name: str, told: str, *labels: str) -> Gauge:
            return Gauge(f"gateway_{name}", told, labels, registry=registry)

        self._submitted = counter("tasks_submitted", "Tasks taken by this process.", "mode")
        self._ended = counter("tasks_ended", "Tasks ended by this process.", "mode", "state")
        self._failures = counter("task_failures", "Tasks that failed, by why.", "code")
        self._retries = counter(
            "task_retries",
            "Tasks queued again, by why; spent: the attempt counts.",
            "reason",
            "spent",
        )
        self._bytes = counter("task_output_bytes", "Of the files that tasks have made.", "mode")
        self._waits = Histogram(
            "gateway_task_wait_seconds",
            "From when a task came to the claim that it ended with; not of those retried by hand.",
            ("mode",),
            registry=registry,
            buckets=WAITS,
        )
        self._runs = Histogram(
            "gateway_task_run_seconds",
            "From the claim of a task to its end, of those done.",
            ("mode",),
            registry=registry,
            buckets=RUNS,
        )
        self._tries = counter("webhook_tries", "Messages sent to webhooks, by result.", "result")
        self._slots = gauge("worker_slots", "Tasks that may be at a GPU service.", "gpu_service")
        self._busy = gauge("worker_slots_busy", "Tasks that are there.", "gpu_service")
        self._up = gauge(
            "gpu_service_up", "Whether it answered when it was last asked.", "gpu_service"
        )

    def submitted(self, mode: str) -> None:
        """A new task is kept."""
        self._submitted.labels(self.mode(mode)).inc()

    def finished(self, task: Task, outcome: Outcome, now: float) -> None:
        """An attempt that was claimed has ended its task; `now` in seconds since the epoch."""
        mode = self.mode(task.mode)
        self.ended(task, outcome.state, outcome.error_code)
        self._bytes.labels(mode).inc(sum(each.size for each in outcome.outputs))
        if task.started_at is None or outcome.state is TaskState.CANCELLED:
            return
        if not task.first_attempt:
            self._waits.labels(mode).observe(max(task.started_at - task.created_at, 0.0))
        if outcome.state is TaskState.DONE:
            self._runs.labels(mode).observe(max(now - task.started_at, 0.0))

    def ended(self, task: Task, state: TaskState, code: str | None = None) -> None:
        """A task has ended, whoever has ended it."""
        self._ended.labels(self.mode(task.mode), state.value).inc()
        if state is TaskState.FAILED:
            self._failures.labels(self._code(code)).inc()

    def retried(self, reason: str, *, spent: bool) -> None:
        """A task that was claimed, or had ended, waits again; `reason` is a code."""
        self._retries.labels(self._code(reason), str(spent).lower()).inc()

    def webhook_tried(self, result: str) -> None:
        """A message was sent: `delivered`, `failed`, or it `waits` for its next try."""
        self._tries.labels(result).inc()

    def watch_service(self, url: str, answers: Callable[[], bool]) -> None:
        """Tell of this GPU service whether it answers."""
        self._up.labels(place_of(url)).set_function(answers)

    def watch_worker(self, url: str, slots: int, busy: Callable[[], int]) -> None:
        """Tell how many tasks this process has there."""
        self._slots.labels(place_of(url)).set(slots)
        self._busy.labels(place_of(url)).set_function(busy)

    def mode(self, mode: str) -> str:
        """As a label: anybody may ask for a mode that there is not."""
        return mode if self.knows_mode(mode) else OTHER

    def _code(self, code: str | None) -> str:
        """As a label: a GPU service may be of another version, or something else altogether."""
        if code is None or CODE.fullmatch(code) is None:
            return OTHER
        if code not in self._codes and len(self._codes) >= MOST_CODES:
            return OTHER
        self._codes.add(code)
        return code


UNCOUNTED = WorkMetrics(CollectorRegistry())
"""Where nobody asks."""


def place_of(url: str) -> str:
    """Host and port: a name and a password may stand before them."""
    return urlsplit(url).netloc.rpartition("@")[2]
