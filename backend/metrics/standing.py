"""How it stands at this moment: of the whole store, and what the probes see."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.metrics.work import OTHER
from backend.store.census import MOST, MOST_MESSAGES, Backlog, TaskGroup
from backend.tasks import TaskState


@dataclass(frozen=True)
class Standing:
    """What was seen; None where it did not answer in time. Ages are in seconds."""

    at: float
    """Seconds since the epoch."""
    tasks: list[TaskGroup] | None = None
    backlog: Backlog | None = None
    workers: int | None = None
    checks: dict[str, bool] | None = None
    free_mb: int | None = None
    """On the data folder's disk."""


class StandingCollector(Collector):
    """Exports the last standing that it was given. `mode` makes labels of modes."""

    def __init__(self, registry: CollectorRegistry, mode: Callable[[str], str]) -> None:
        self.standing: Standing | None = None
        self._mode = mode
        self._seen = {(state.value, OTHER) for state in (TaskState.QUEUED, TaskState.RUNNING)}
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked to find the names out."""
        return []

    def collect(self) -> Iterable[Metric]:
        """One after the other, from one look."""
        seen = self.standing
        if seen is None:
            return
        up = seen.tasks is not None
        yield _gauge("store_up", "Whether the task store answered within a second.", float(up))
        if seen.tasks is not None:
            yield from self._of_tasks(seen.tasks, seen.at)
        if seen.backlog is not None:
            yield from _of_webhooks(seen.backlog, seen.at)
        if seen.workers is not None:
            yield _gauge(
                "store_workers", "Workers alive, whatever process they are in.", float(seen.workers)
            )
        if seen.free_mb is not None:
            told = "On the disk of the data folder."
            yield _gauge("disk_free_bytes", told, seen.free_mb * 1024.0 * 1024.0)
        if seen.checks is not None:
            checks = GaugeMetricFamily(
                "gateway_check_ok", "What /readyz has looked at.", labels=["check"]
            )
            for name, ok in seen.checks.items():
                checks.add_metric([name], float(ok))
            yield checks

    def _of_tasks(self, groups: list[TaskGroup], now: float) -> Iterable[Metric]:
        # What was there before is told as none: a line that breaks off says nothing.
        counts = dict.fromkeys(self._seen, 0)
        oldest = {mode: 0.0 for state, mode in self._seen if state == TaskState.QUEUED.value}
        for group in groups:
            mode = self._mode(group.mode)
            key = group.state.value, mode
            counts[key] = counts.get(key, 0) + group.tasks
            if group.waits:
                oldest[mode] = max(now - group.since, oldest.get(mode, 0.0))
        self._seen.update(counts)
        tasks = GaugeMetricFamily(
            "gateway_store_tasks",
            f"Tasks that wait or run, in the whole store; counted up to {MOST}.",
            labels=["state", "mode"],
        )
        for key, count in counts.items():
            tasks.add_metric(key, float(count))
        ages = GaugeMetricFamily(
            "gateway_store_oldest_queued_seconds",
            "For how long the oldest has waited.",
            labels=["mode"],
        )
        for mode, age in oldest.items():
            ages.add_metric([mode], age)
        return tasks, ages


def _of_webhooks(backlog: Backlog, now: float) -> Iterable[Metric]:
    messages = GaugeMetricFamily(
        "gateway_store_webhooks",
        f"Messages that wait, and those that nobody heard; counted up to {MOST_MESSAGES}.",
        labels=["state"],
    )
    messages.add_metric(["pending"], float(backlog.pending))
    messages.add_metric(["failed"], float(backlog.failed))
    age = 0.0 if backlog.since is None else max(now - backlog.since, 0.0)
    told = "For how long the oldest message has waited."
    return messages, _gauge("store_oldest_webhook_seconds", told, age)


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gateway_{name}", told, value=value)
