"""What a monitor is told: late, silent and failed runs, files, readings, room."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Failed, Pending, Running, Scheduled

from deployments import monitor
from deployments.monitor import (
    inbox_findings,
    room_findings,
    run_findings,
    store_findings,
    stuck_runs,
    undelivered,
)
from flows.served import Served
from weightstream.config import Config
from weightstream.intake.inbox import make_folders

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(state, **fields):
    return FlowRun.model_construct(
        id="1", name="inbox, 2 files", state=state, **{"expected_start_time": None, **fields}
    )


@pytest.fixture
def found(monkeypatch):
    """What is found of runs by the type of their states, newest first; heartbeat: the last."""

    def of(runs=(), heartbeat=None):
        def runs_of(client, of, states, limit=200):
            return [one for one in runs if one.state.type in states][:limit]

        monkeypatch.setattr(monitor, "runs_of", runs_of)
        monkeypatch.setattr(monitor, "tagged_runs", runs_of)
        monkeypatch.setattr(monitor, "last_heartbeat", lambda client, run: heartbeat)
        deployment = SimpleNamespace(name="inbox")
        findings = [*run_findings(None, deployment, NOW), *stuck_runs(None, Served(), NOW)]
        return [one.kind for one in findings if one.wrong]

    return of


def degraded():
    return Completed(name="Degraded", message="1 file not done")


def test_only_the_newest_run_that_ended_counts(found):
    assert found([run(Completed()), run(Failed(message="no space left"))]) == []
    assert found([run(Failed(message="no space left")), run(Completed())]) == ["run"]
    assert found([run(degraded())]) == ["run"]
    assert found() == []


def test_a_run_is_late_when_nobody_starts_it(found):
    soon, late = NOW + timedelta(minutes=5), NOW - timedelta(minutes=6)
    assert found([run(Scheduled(), expected_start_time=soon)]) == []
    assert found([run(Scheduled(), expected_start_time=late)]) == ["late"]
    in_turn = Scheduled(name="AwaitingConcurrencySlot")
    assert found([run(in_turn, expected_start_time=late)]) == []


def test_a_run_that_makes_no_sign_is_stuck(found):
    long_ago = NOW - timedelta(hours=3)
    under_way = [run(Running(), start_time=long_ago)]
    assert found(under_way, heartbeat=NOW - timedelta(seconds=40)) == []
    assert found(under_way, heartbeat=NOW - timedelta(minutes=10)) == ["stuck"]
    assert found(under_way) == ["stuck"]
    assert found([run(Running(), start_time=NOW - timedelta(seconds=20))]) == []


def test_a_run_that_a_dead_worker_took_is_stuck(found):
    for minutes, kinds in ((1, []), (6, ["stuck"])):
        pending = Pending(timestamp=NOW - timedelta(minutes=minutes))
        late = NOW - timedelta(hours=1)  # it waited for a worker before
        assert found([run(pending, expected_start_time=late)]) == kinds


def test_notifications_that_never_arrived():
    def occurred(minutes):
        return (NOW - timedelta(minutes=minutes)).isoformat()

    def told(minutes, *arrived):
        """An automation is triggered; arrived: when each of its notifications was delivered."""
        number = f"of-{minutes}"
        related = [
            {"prefect.resource.role": role, "prefect.resource.id": f"prefect.event.{of}"}
            for role, of in (("triggering-event", "run"), ("automation-triggered-event", number))
        ]
        sent = [{"event": monitor.DELIVERED, "occurred": occurred(when)} for when in arrived]
        sent = [one | {"id": "sent", "related": related} for one in sent]
        first = {"event": monitor.TRIGGERED, "occurred": occurred(minutes), "id": number}
        return [first | {"related": []}, *sent]

    def lost(*some, recipients=2):
        events = [one for each in some for one in each]
        events.sort(key=lambda one: one["occurred"], reverse=True)
        return [finding.sentence[:7] for finding in undelivered(events, recipients, NOW)]

    assert lost() == []
    assert lost(told(1)) == []  # still under way
    assert lost(told(60, 59, 59)) == []
    assert lost(told(60, 59)) == ["1 of 2 "]
    assert lost(told(60), told(5), recipients=1) == ["2 of 2 "]
    assert lost(told(60), told(1, 0, 0)) == ["2 of 2 "]  # a new one hides no older one
    cut = told(1450, 1400)[1:]  # its trigger was more than a day ago
    assert lost(told(60), cut, recipients=1) == ["1 of 1 "]
    more = [{"event": monitor.CHANGED, "occurred": occurred(30), "id": "more", "related": []}]
    assert lost(told(60, 59), more) == []  # a second address was added
    assert lost(told(60, 59), more, told(20)) == ["2 of 2 "]


@pytest.fixture
def inbox(tmp_path):
    make_folders(tmp_path / "inbox")
    return tmp_path / "inbox"


def test_files_that_failed_are_told_until_they_are_gone(inbox):
    assert list(inbox_findings(inbox, time.time())) == []
    (inbox / "failed/a.csv").write_text("x")
    (inbox / "failed/a.csv.report.txt").write_text("it is empty")
    (finding,) = inbox_findings(inbox, time.time())
    assert finding.sentence.startswith("1 files are in")
    (inbox / "failed/a.csv").unlink()
    assert list(inbox_findings(inbox, time.time())) == []


def test_files_that_nobody_fetches(inbox):
    (inbox / "a.csv").write_text("x")
    os.utime(inbox / "a.csv")
    assert list(inbox_findings(inbox, time.time() + 600)) == []
    (finding,) = inbox_findings(inbox, time.time() + 3600)
    assert "waited" in finding.sentence
    (inbox / "a.csv").rename(inbox / "done/a.csv")
    assert list(inbox_findings(inbox, time.time() + 3600)) == []


def test_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    free = {"mb": 2_000.0}
    usage = lambda path: SimpleNamespace(free=free["mb"] * 1e6)  # noqa: E731
    monkeypatch.setattr("deployments.monitor.shutil.disk_usage", usage)
    assert list(room_findings(tmp_path)) == []
    with (tmp_path / "weightstream.db").open("wb") as store:
        store.truncate(3_000_000_000)  # no bytes of it are on the disk
    assert [one.kind for one in room_findings(tmp_path)] == ["disk"]
    (tmp_path / "weightstream.db").unlink()
    free["mb"] = 900.0
    assert [one.kind for one in room_findings(tmp_path)] == ["disk"]


def test_limits_of_quality_that_are_passed(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    given = {"data": {"data_dir": data_dir}, "quality": {"max_quarantined": 0.4}}
    config = Config.model_validate(given)
    assert list(store_findings(config)) == []  # nothing is stored yet
    store_files(data_dir, csv_of(("a", "2024-01-01T07:00:00Z", "80")))
    assert list(store_findings(config)) == []
    with closing(sqlite3.connect(data_dir / "weightstream.db")) as store, store:
        store.execute("update runs set rows_in = 2, quarantined = 1, kind = 'ingest'")
    (finding,) = store_findings(config)
    assert "limits of [quality]" in finding.sentence
