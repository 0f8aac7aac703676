"""`prefect worker start`, whose Prometheus metrics are followed by those of the store.

Prefect serves them on port 4201 where PREFECT_CLIENT_METRICS_ENABLED is set.
"""

import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from weightstream.outputs.metrics import store_metrics

Family = CounterMetricFamily | GaugeMetricFamily
FAMILIES: dict[str, type[Family]] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class StoreCollector(Collector):
    """The metrics of a store, as it is when they are asked for."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def describe(self) -> list[Family]:
        return []  # else it would be collected once when it is registered

    def collect(self) -> Iterator[Family]:
        """Yield the store's metrics; of a store that cannot be read, only that it cannot."""
        metrics, readable = [], 1.0
        try:
            metrics = store_metrics(self._store)
        except (sqlite3.Error, OSError):
            readable = 0.0
        yield GaugeMetricFamily("weightstream_up", "0: the store cannot be read", readable)
        for metric in metrics:
            family = FAMILIES[metric.kind](metric.name, metric.help, labels=metric.labels)
            for labels, value in metric.samples:
                family.add_metric(labels, value)
            yield family


def main() -> None:
    """Run Prefect's command with the arguments after the first, which is the store's file."""
    from prefect.cli import app

    # On SIGTERM Prefect sends itself SIGINT, which background jobs of a shell script ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    REGISTRY.register(StoreCollector(Path(sys.argv.pop(1))))
    app()


if __name__ == "__main__":
    main()
