"""All that one GPU service counts."""

from prometheus_client import Counter

from gpu_server.metrics.comfyui import ComfyUICollector
from gpu_server.metrics.jobs import JobMetrics
from gpu_server.metrics.registry import new_registry
from gpu_server.metrics.requests import RequestMetrics


class ServiceMetrics:
    """In a registry of its own: an application that is made twice counts twice."""

    def __init__(self, version: str, engine: str) -> None:
        self.registry = new_registry("gpu_server", version, engine=engine)
        self.requests = RequestMetrics(self.registry)
        self.jobs = JobMetrics(self.registry)
        self.comfyui = ComfyUICollector(self.registry)
        self.restarts = Counter(
            "gateway_comfyui_restarts", "Of ComfyUI, by our own command.", registry=self.registry
        )
