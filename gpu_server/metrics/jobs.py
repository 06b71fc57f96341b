"""Jobs, and for how long the GPU has had any."""

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from gpu_server import errors

BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)
QUEUED, RUNNING = "queued", "running"
ABANDONED, OTHER = "abandoned", "other"
CODES = frozenset(
    each.code for each in vars(errors).values() if isinstance(getattr(each, "code", None), str)
)


class JobMeter:
    """Told by one job when it begins and ends. Only workflows of the folder have their own name."""

    def __init__(self, metrics: "JobMetrics", workflow: str | None) -> None:
        self._metrics = metrics
        self._workflow = workflow or OTHER
        self._came = metrics.clock()
        self._began: float | None = None
        metrics.open.labels(QUEUED).inc()

    def started(self) -> None:
        """It runs, from now on."""
        self._began = self._metrics.clock()
        self._metrics.waits.labels(self._workflow).observe(self._began - self._came)
        self._metrics.open.labels(QUEUED).dec()
        self._metrics.open.labels(RUNNING).inc()
        self._metrics.busy.begin()

    def submitted_again(self, reason: str) -> None:
        """ComfyUI has lost it, what it made, or ran out of memory."""
        self._metrics.again.labels(reason).inc()

    def ended(self, state: str | None, code: str | None = None, size: int = 0) -> None:
        """In this state, or left to ComfyUI; with this error, or so many bytes of outputs."""
        self._metrics.ended.labels(self._workflow, state or ABANDONED).inc()
        if code is not None:
            self._metrics.failures.labels(code if code in CODES else OTHER).inc()
        self._metrics.bytes.labels(self._workflow).inc(size)
        if self._began is None:
            self._metrics.open.labels(QUEUED).dec()
            return
        self._metrics.open.labels(RUNNING).dec()
        self._metrics.runs.labels(self._workflow).observe(self._metrics.clock() - self._began)
        self._metrics.busy.end()


class JobMetrics:
    """`clock` is in seconds, and only ever grows."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.open = Gauge(
            "gateway_gpu_jobs_open",
            "Jobs that wait for their turn, and that run.",
            ["state"],
            registry=registry,
        )
        for state in (QUEUED, RUNNING):
            self.open.labels(state)
        self._slots = Gauge("gateway_gpu_slots", "Jobs that may be open.", registry=registry)
        self.ended = Counter(
            "gateway_gpu_jobs_ended",
            "Jobs that have ended.",
            ["workflow", "state"],
            registry=registry,
        )
        self.failures = Counter(
            "gateway_gpu_job_failures", "Jobs that failed, by why.", ["code"], registry=registry
        )
        self.again = Counter(
            "gateway_gpu_job_resubmissions",
            "Jobs submitted to ComfyUI once more, by why.",
            ["reason"],
            registry=registry,
        )
        self.bytes = Counter(
            "gateway_gpu_output_bytes",
            "Of the files that jobs have made.",
            ["workflow"],
            registry=registry,
        )
        self.waits = Histogram(
            "gateway_gpu_job_wait_seconds",
            "From when a job came to its start in ComfyUI.",
            ["workflow"],
            registry=registry,
            buckets=BUCKETS,
        )
        self.runs = Histogram(
            "gateway_gpu_job_run_seconds",
            "From a job's start in ComfyUI to its end.",
            ["workflow"],
            registry=registry,
            buckets=BUCKETS,
        )
        self.busy = BusyTime(registry, clock)

    def meter(self, workflow: str | None) -> JobMeter:
        """Of a new job."""
        return JobMeter(self, workflow)

    def has_slots(self, slots: int) -> None:
        """As many jobs may be open."""
        self._slots.set(slots)


class BusyTime(Collector):
    """Seconds with at least one workflow at work: its rate is the share of time that is used."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running = 0
        self._since = 0.0
        self._total = 0.0
        registry.register(self)

    def begin(self) -> None:
        """One more is at work."""
        if self._running == 0:
            self._since = self._clock()
        self._running += 1

    def end(self) -> None:
        """One less."""
        self._running -= 1
        if self._running == 0:
            self._total += self._clock() - self._since

    @property
    def seconds(self) -> float:
        """So far, what still runs included."""
        return self._total + (self._clock() - self._since if self._running else 0.0)

    def describe(self) -> Iterable[Metric]:
        """The name alone."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Up to this moment."""
        family = self._family()
        family.add_metric([], self.seconds)
        return [family]

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(
            "gateway_gpu_busy_seconds",
            "With at least one workflow at work in ComfyUI: its rate is the busy fraction.",
            labels=[],
        )


UNCOUNTED = JobMetrics(CollectorRegistry())
"""Where nobody asks."""
