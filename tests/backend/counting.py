"""What is counted of tasks."""

from prometheus_client import CollectorRegistry

from backend.metrics.work import WorkMetrics
from tests.exposition import Exported, exported


class Counted:
    """Metrics that know the mode `free`, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = WorkMetrics(self.registry)
        self.metrics.knows_mode = lambda mode: mode == "free"

    @property
    def now(self) -> Exported:
        """So far."""
        return exported(self.registry)
