"""What Prometheus reads from a worker about its store."""

import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from deployments import metered_worker
from deployments.metered_worker import StoreCollector
from weightstream.store.connection import open_writer
from weightstream.store.runs import begin_run, end_run


@pytest.fixture
def scraped(tmp_path):
    """The lines that are served, of the store as it is now."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(tmp_path / "weightstream.db"))
    return lambda: generate_latest(registry).decode().splitlines()


def test_the_store_is_read_at_each_scrape(scraped, tmp_path):
    assert scraped()[-1] == "weightstream_up 1.0"  # before the first ingest
    path = tmp_path / "weightstream.db"
    with open_writer(tmp_path) as connection:
        run = begin_run(connection, path, "run", "ingest")
        end_run(connection, path, run, "completed", {"rejected": 7}, {"total": 2.0})
        assert 'weightstream_rows_total{outcome="rejected"} 7.0' in scraped()
        assert 'weightstream_runs_total{kind="ingest",status="completed"} 1.0' in scraped()


def test_a_store_that_cannot_be_looked_for_is_told():
    registry = CollectorRegistry()
    registry.register(StoreCollector(Path("/", 300 * "x", "weightstream.db")))
    assert b"weightstream_up 0.0" in generate_latest(registry)


def test_a_damaged_store_is_told_and_nothing_raised(scraped, tmp_path):
    (tmp_path / "weightstream.db").write_bytes(b"no database" * 1000)
    assert "weightstream_up 0.0" in scraped()


def test_a_worker_that_a_script_started_in_the_background_can_be_stopped(monkeypatch):
    """Prefect's answer to SIGTERM is a SIGINT to itself, which a shell lets such jobs ignore."""
    seen = []
    monkeypatch.setattr("sys.argv", ["worker", "store.db", "start"])
    monkeypatch.setattr("prefect.cli.app", lambda: seen.append(signal.getsignal(signal.SIGINT)))
    monkeypatch.setattr(metered_worker, "REGISTRY", CollectorRegistry())
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        metered_worker.main()
    finally:
        signal.signal(signal.SIGINT, usual)
    assert seen == [signal.default_int_handler]
