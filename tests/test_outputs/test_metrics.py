"""The counters of a store add up over its runs, and tell of no person."""

import pytest

from weightstream.outputs.metrics import store_metrics
from weightstream.store.connection import open_writer
from weightstream.store.runs import begin_run, end_run

OUTCOMES = {"accepted": 5, "rejected": 2, "quarantined": 1}


@pytest.fixture
def data(tmp_path):
    """A store with three runs that ended and one that did not."""
    path = tmp_path / "weightstream.db"
    with open_writer(tmp_path) as connection:
        for number, (kind, status) in enumerate(
            [("ingest", "completed"), ("ingest", "completed"), ("retro", "degraded")]
        ):
            run = begin_run(connection, path, f"run-{number}", kind)
            news = {"news": {"alerts": 3, "breaches": 1}} if kind == "retro" else None
            counts = OUTCOMES if kind == "ingest" else {}
            end_run(connection, path, run, status, counts, {"read": 1.5, "total": 4.0}, news)
        begin_run(connection, path, "killed", "ingest")
    return tmp_path


def test_counters_are_sums_over_runs(data):
    found = {
        metric.name: dict(metric.samples) for metric in store_metrics(data / "weightstream.db")
    }
    assert found["weightstream_runs"] == {("ingest", "completed"): 2, ("retro", "degraded"): 1}
    rows = {outcome: count for (outcome,), count in found["weightstream_rows"].items() if count}
    assert rows == {outcome: 2 * count for outcome, count in OUTCOMES.items()}
    by_stage = found["weightstream_stage_seconds"]  # which may be added up
    assert by_stage == {("ingest", "read"): 3.0, ("retro", "read"): 1.5}
    assert found["weightstream_run_seconds"] == {("ingest",): 8.0, ("retro",): 4.0}
    assert found["weightstream_alerts"] == {(): 3.0}
    assert found["weightstream_quality_breaches"] == {(): 1.0}
    assert found["weightstream_persons"] == {(): 0.0}


def test_no_store_has_no_metrics(tmp_path):
    assert store_metrics(tmp_path / "weightstream.db") == []
    assert list(tmp_path.iterdir()) == []
