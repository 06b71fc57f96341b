"""What a service exports, as Prometheus would read it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

Labels = dict[str, str]


class Exported:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(text))
        self._samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Of the only sample with this name and these labels, among others."""
        found = [
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) < 2, (name, labels)
        return found[0] if found else None

    def labels(self, name: str) -> list[Labels]:
        """Of all samples with this name."""
        return [dict(sample.labels) for sample in self._samples if sample.name == name]

    def names(self) -> dict[str, set[str]]:
        """Every sample's name, with the names of its labels."""
        found: dict[str, set[str]] = {}
        for sample in self._samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        return found


def exported(registry: CollectorRegistry) -> Exported:
    """What a registry holds by now."""
    return Exported(generate_latest(registry).decode())


def words(values: Iterable[Labels]) -> set[str]:
    """All values of labels."""
    return {value for labels in values for value in labels.values()}
