"""Registries: what one process exports."""

from prometheus_client import (
    CollectorRegistry,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)


def new_registry(service: str, version: str, **more: str) -> CollectorRegistry:
    """With what is known of every process in it: memory, CPU, open files, Python, our version."""
    # When each series began: twice the lines, for nobody.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    build = Info("gateway_build", "What runs here.", registry=registry)
    build.info({"service": service, "version": version, **more})
    return registry
