"""All that one backend counts."""

from prometheus_client import Gauge

from backend.metrics.registry import new_registry
from backend.metrics.requests import RequestMetrics
from backend.metrics.standing import StandingCollector
from backend.metrics.work import WorkMetrics


class BackendMetrics:
    """In a registry of its own: an application that is made twice counts twice."""

    def __init__(self, version: str, queue_limit: int) -> None:
        self.registry = new_registry("backend", version)
        self.requests = RequestMetrics(self.registry)
        self.work = WorkMetrics(self.registry)
        limit = Gauge("gateway_queue_limit", "Tasks that may wait.", registry=self.registry)
        limit.set(queue_limit)
        self.standing = StandingCollector(self.registry, self.work.mode)
