"""ComfyUI as it says that it is: up, and with how much memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MOST_DEVICES = 64


@dataclass(frozen=True)
class Standing:
    """`stats` is what `/system_stats` answered; None where it did not."""

    stats: Mapping[str, Any] | None
    listening: bool
    checks: Mapping[str, bool]


class ComfyUICollector(Collector):
    """Exports the last standing that it was given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.standing: Standing | None = None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked to find the names out."""
        return []

    def collect(self) -> Iterable[Metric]:
        """One after the other, from one look."""
        seen = self.standing
        if seen is None:
            return
        up = seen.stats is not None
        yield _gauge("comfyui_up", "Whether ComfyUI answered within a second.", up)
        yield _gauge("comfyui_socket_open", "Whether ComfyUI's messages arrive.", seen.listening)
        checks = GaugeMetricFamily(
            "gateway_check_ok", "What /readyz has looked at.", labels=["check"]
        )
        for name, ok in seen.checks.items():
            checks.add_metric([name], float(ok))
        yield checks
        if seen.stats is not None:
            yield from _memory_of(seen.stats)


def _memory_of(stats: Mapping[str, Any]) -> Iterable[Metric]:
    """Somebody else's words: what is no number is left out."""
    system = stats.get("system")
    for name in ("ram_total", "ram_free"):
        value = _number(system, name)
        if value is not None:
            yield _gauge(f"comfyui_{name}_bytes", f"{_told(name)} of ComfyUI's machine.", value)
    devices = stats.get("devices")
    devices = devices[:MOST_DEVICES] if isinstance(devices, list) else []
    for name in ("vram_total", "vram_free"):
        family = GaugeMetricFamily(
            f"gateway_comfyui_{name}_bytes", f"{_told(name)} of each device.", labels=["device"]
        )
        for number, device in enumerate(devices):
            value = _number(device, name)
            if value is not None:
                family.add_metric([str(number)], value)
        yield family


def _told(name: str) -> str:
    kind, _, which = name.partition("_")
    return f"{which.capitalize()} {kind.upper()}"


def _number(told: Any, name: str) -> float | None:
    value = told.get(name) if isinstance(told, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else None


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gateway_{name}", told, value=float(value))
