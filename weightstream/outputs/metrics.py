"""Counters and gauges of a store for a monitoring system, as sums over its runs. No person.

A worker keeps this in memory all the time, so it imports nothing large, and opens the store itself.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from weightstream.schema import OUTCOMES

RUNS = """
select kind, status, count(*), max(finished_at) from runs where finished_at is not null
group by kind, status order by kind, status
"""
ROWS = f"select {', '.join(f'coalesce(sum({name}), 0)' for name in OUTCOMES)} from runs"  # noqa: S608
SECONDS = """
select kind, spent.key, sum(spent.value) from runs, json_each(seconds) spent
where spent.value > 0 group by kind, spent.key order by kind, spent.key
"""
NEWS = """
select coalesce(sum(json_extract(results, '$.news.alerts')), 0),
  coalesce(sum(json_extract(results, '$.news.breaches')), 0) from runs
"""
HELD = "select count(*), coalesce(sum(readings), 0), coalesce(sum(rejected), 0) from users"


@dataclass(frozen=True)
class Metric:
    """A metric of Prometheus. labels: their names; samples: their values, and the value."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    samples: Sequence[tuple[tuple[str, ...], float]]


def store_metrics(path: Path) -> list[Metric]:
    """Return the metrics of a store's file; none if there is none yet. Raises sqlite3.Error."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        return [*_of_runs(connection), *_of_store(connection, path.stat().st_size)]


def _of_runs(connection: sqlite3.Connection) -> Iterator[Metric]:
    runs = connection.execute(RUNS).fetchall()
    by_end = ("kind", "status")
    yield Metric(
        "weightstream_runs",
        "counter",
        "Runs that ended",
        by_end,
        [((kind, status), count) for kind, status, count, _ in runs],
    )
    yield Metric(
        "weightstream_run_end_timestamp_seconds",
        "gauge",
        "When the newest of these runs ended",
        by_end,
        [
            ((kind, status), datetime.fromisoformat(ended).timestamp())
            for kind, status, _, ended in runs
        ],
    )
    rows = connection.execute(ROWS).fetchone()
    by_outcome = [((outcome,), count) for outcome, count in zip(OUTCOMES, rows, strict=True)]
    yield Metric("weightstream_rows", "counter", "Rows by outcome", ("outcome",), by_outcome)
    seconds = [((kind, stage), spent) for kind, stage, spent in connection.execute(SECONDS)]
    stages = [one for one in seconds if one[0][1] != "total"]
    totals = [((kind,), spent) for (kind, stage), spent in seconds if stage == "total"]
    by_stage = ("kind", "stage")
    yield Metric("weightstream_stage_seconds", "counter", "Seconds by stage", by_stage, stages)
    yield Metric("weightstream_run_seconds", "counter", "Seconds of runs", ("kind",), totals)
    alerts, breaches = connection.execute(NEWS).fetchone()
    yield _single("weightstream_alerts", "counter", "Persons with a new alert", alerts)
    yield _single(
        "weightstream_quality_breaches", "counter", "Limits newly exceeded, of [quality]", breaches
    )


def _of_store(connection: sqlite3.Connection, size: int) -> Iterator[Metric]:
    persons, readings, rejected = connection.execute(HELD).fetchone()
    yield _single("weightstream_persons", "gauge", "Persons in the store", persons)
    yield _single("weightstream_readings", "gauge", "Readings in the store", readings)
    yield _single("weightstream_readings_rejected", "gauge", "Of these, rejected now", rejected)
    yield _single("weightstream_store_bytes", "gauge", "Size of the store's file", size)


def _single(name: str, kind: Literal["counter", "gauge"], text: str, value: Any) -> Metric:
    return Metric(name, kind, text, (), [((), float(value))])
