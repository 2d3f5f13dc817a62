"""One scrape as a sheet of samples, and counters that never go back."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from nginy.observe.families import FAMILIES

Labels = tuple[str, ...]
Lift = Callable[[str, Labels, int], int]


class Climb:
    """Keeps counters from going back when the row behind them starts again at zero (a replaced worker)."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Labels], tuple[int, int]] = {}

    def lift(self, name: str, labels: Labels, value: int) -> int:
        """The value plus what was counted before the row was reset."""
        base, last = self._seen.get((name, labels), (0, 0))
        if value < last:
            base += last
        self._seen[name, labels] = (base, value)
        return base + value


class Sheet:
    """The families of one scrape, filled sample by sample."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        for family in FAMILIES:
            shape = {
                "counter": CounterMetricFamily,
                "gauge": GaugeMetricFamily,
                "histogram": HistogramMetricFamily,
            }
            self._metrics[family.name] = shape[family.kind](family.name, family.meaning, labels=family.labels)

    def add(self, name: str, labels: Labels, value: float) -> None:
        """One sample. Errors: KeyError for a family that is not in the list."""
        metric = self._metrics[name]
        assert isinstance(metric, (CounterMetricFamily, GaugeMetricFamily))
        metric.add_metric(labels, value)

    def one_hot(self, name: str, labels: Labels, chosen: str, choices: Iterable[str]) -> None:
        """One sample per choice, 1 for the chosen one."""
        for choice in choices:
            self.add(name, (*labels, choice), 1 if choice == chosen else 0)

    def histogram(
        self, name: str, labels: Labels, bounds_s: Sequence[float], counts: Sequence[int], total_s: float
    ) -> None:
        """One histogram from counts that are not cumulative, the last one without bound."""
        metric = self._metrics[name]
        assert isinstance(metric, HistogramMetricFamily)
        running, buckets = 0, []
        for bound, count in zip((*bounds_s, float("inf")), counts, strict=True):
            running += count
            buckets.append((f"{bound:g}" if bound != float("inf") else "+Inf", float(running)))
        metric.add_metric(labels, buckets, total_s)

    def collect(self) -> list[Metric]:
        """What prometheus_client asks a collector for."""
        return list(self._metrics.values())
