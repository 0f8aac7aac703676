"""The ingest flow under Prefect: accounting, states, widths; the same results any way it runs."""

import logging
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tasks.runtime.submission import SPARE_THREADS
from weightstream.schema import OUTCOMES

WIDE = {"threading.user_pool_size": 4, "execution.users_per_task": 10}
BY_SEVEN = {"execution.users_per_task": 7}
BY_THREE = {"execution.users_per_task": 3}


def counted(data_dir: Path, query: str) -> int:
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        return connection.execute(query).fetchone()[0]


def test_every_row_has_one_outcome_and_is_stored(ingested, simulated, tmp_path):
    source = simulated(40, 2000)
    ran = ingested(source, tmp_path / "data")
    counts = ran.result.counts
    assert ran.state.name == "Completed"
    assert ran.result.exit_status == 0
    assert ran.result.rows_in == 2000 == sum(counts.values())
    assert counts["failed"] == counts["excluded"] == 0
    assert min(counts["accepted"], counts["rejected"], counts["duplicates"]) > 0
    data = tmp_path / "data"
    stored = counted(data, "select count(*) from measurements")
    assert stored == counts["accepted"] + counts["rejected"]
    assert counted(data, "select count(*) from quarantine") == counts["quarantined"]
    for verdict in ("accepted", "rejected"):
        query = f"select count(*) from current_decisions where verdict = '{verdict}'"
        assert counted(data, query) == counts[verdict]
    assert ran.result.users == counted(data, "select count(*) from users") == 40


def test_the_same_file_again_adds_nothing(ingested, simulated, exported, tmp_path):
    source, data = simulated(40, 2000), tmp_path / "data"
    first = ingested(source, data).result.counts
    before, tables = exported(data), contents(data)
    again = ingested(source, data).result
    assert again.counts["accepted"] == again.counts["rejected"] == 0
    fresh = first["accepted"] + first["rejected"] + first["duplicates"]
    assert again.counts["duplicates"] == fresh
    assert again.counts["quarantined"] == first["quarantined"]
    assert exported(data) == before
    changed = {name for name, rows in contents(data).items() if rows != tables[name]}
    assert changed == {"runs", "files"}


def contents(data_dir: Path) -> dict[str, list[tuple]]:
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        return {
            name: sorted(connection.execute(f"select * from {name}").fetchall(), key=repr)
            for (name,) in names
        }


class Poisoned(Exception):
    pass


def poison(monkeypatch, batch: int) -> list[int]:
    """Let the filter fail on one batch; returns a list that will hold its rows and persons."""
    import tasks.filter

    calls, found = iter(range(1_000)), []
    judge = tasks.filter.judge_new

    def poisoned(settings, store, partition):
        if next(calls) == batch:
            persons = set(partition.take()["user_id"].to_pylist())
            found.extend([len(partition.rows), len(persons)])
            raise Poisoned("someone's weight")
        return judge(settings, store, partition)

    monkeypatch.setattr(tasks.filter, "judge_new", poisoned)
    return found


def test_one_failed_batch_leaves_the_others_stored(
    ingested, simulated, exported, tmp_path, monkeypatch
):
    source, data = simulated(40, 2000), tmp_path / "data"
    with monkeypatch.context() as patched:
        poisoned = poison(patched, batch=1)
        ran = ingested(source, data)
    assert ran.state.name == "Degraded"
    assert ran.state.is_completed()
    assert ran.result.exit_status == 1
    rows, persons = poisoned
    assert ran.result.counts["failed"] == rows
    assert sum(ran.result.counts.values()) == ran.result.rows_in == 2000
    assert counted(data, "select count(*) from users") == ran.result.users == 40 - persons
    assert counted(data, "select count(*) from runs where status = 'degraded'") == 1
    (trouble,) = ran.result.problems
    assert "Poisoned" in trouble
    assert "someone's weight" not in trouble
    # The next run takes in what failed, and ends where an undisturbed one does.
    mended = ingested(source, data)
    assert mended.state.name == "Completed"
    assert mended.result.counts["failed"] == 0
    ingested(source, tmp_path / "undisturbed")
    assert exported(data) == exported(tmp_path / "undisturbed")


def test_a_batch_that_fails_half_written_counts_the_rest_as_failed(
    ingested, simulated, tmp_path, monkeypatch
):
    from weightstream.store import writing

    transactions = iter(range(1_000))
    write = writing.write_part

    def write_part(*given):
        write(*given)
        if next(transactions) == 3:
            raise sqlite3.OperationalError("disk I/O error")

    source, data = simulated(40, 2000), tmp_path / "data"
    few = {"threading.db_write_batch_size": 2, **BY_SEVEN, "threading.user_pool_size": 1}
    with monkeypatch.context() as patched:
        patched.setattr(writing, "write_part", write_part)
        ran = ingested(source, data, few)
    counts = ran.result.counts
    assert ran.state.name == "Degraded"
    assert sum(counts.values()) == ran.result.rows_in
    assert counted(data, "select count(*) from users") == ran.result.users == 39
    stored = counted(data, "select count(*) from measurements")
    assert stored == counts["accepted"] + counts["rejected"]
    assert counts["failed"] > 0


def test_nothing_usable_is_failed_and_leaves_no_row(ingested, tmp_path):
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("this,is,no header\n1,2,3\n")
    ran = ingested([tmp_path / "one.csv", tmp_path / "two.csv"], tmp_path / "data")
    assert ran.state.name == "Failed"
    assert ran.result.exit_status == 2
    assert all(name in str(ran.result) for name in ("one.csv", "two.csv"))
    assert not (tmp_path / "data/weightstream.db").exists()


def test_one_unusable_source_of_two_degrades(ingested, simulated, exported, tmp_path):
    (tmp_path / "bad.csv").write_text("this,is,no header\n1,2,3\n")
    source = simulated(40, 2000)
    ran = ingested([tmp_path / "bad.csv", source], tmp_path / "data")
    assert ran.state.name == "Degraded"
    assert ran.result.exit_status == 1
    assert ran.result.rows_in == 2000
    ingested(source, tmp_path / "alone")
    assert exported(tmp_path / "data") == exported(tmp_path / "alone")


def runs_under(client, run_id, stages):
    """Task runs of a run by the first word of their name, once all of `stages` have ended."""
    from prefect.client.schemas.filters import FlowRunFilter

    only = FlowRunFilter(id={"any_": [run_id]})
    found = {}
    for _ in range(300):  # task runs are recorded in the background
        runs = client.read_task_runs(flow_run_filter=only, limit=200)
        found = {}
        for run in runs:
            found.setdefault(run.name.split()[0], []).append(run)
        if found.keys() >= stages and all(run.state and run.state.is_final() for run in runs):
            break
        time.sleep(0.1)
    return found


def test_task_runs_are_few_and_carry_their_stage_tag(ingested, simulated, tmp_path):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    automatic = {"execution.users_per_task": 0}
    ran = ingested(simulated(300, 9000), tmp_path / "data", automatic, dashboards=True)
    run_id = ran.result.run_id
    tags = {"read": "ingest", "filter": "kalman", "write": "db-write", "draw": "viz"}
    tags["data"] = "viz"  # the page on data quality
    with get_client(sync_client=True) as client:
        found = runs_under(client, run_id, set(tags))
        parent = FlowRunFilterParentFlowRunId(any_=[run_id])
        (retro,) = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
        inline = runs_under(client, str(retro.id), {"smooth", "write"})
    (subflow,) = (name for name in found if name.startswith("retro-"))  # as Prefect names it
    del found[subflow]
    assert set(found) == set(tags)
    assert all(run.tags == [tag] for name, tag in tags.items() for run in found[name])
    assert set(inline) == {"smooth", "write"}
    assert all(run.tags == ["retro"] for run in inline["smooth"])
    assert sum(map(len, found.values())) + sum(map(len, inline.values())) < 100
    assert len(found["filter"]) >= 2
    assert len(found["write"]) == len(found["filter"])
    assert len(inline["write"]) == len(inline["smooth"])


def test_counts_of_progress_are_exact_at_every_moment(ingested, simulated, tmp_path, monkeypatch):
    from tasks.runtime.progress import Progress

    seen: dict[str, list[tuple[int, int | None]]] = {}
    advance, end = Progress.advance, Progress.end
    data = tmp_path / "data"

    def recorded_advance(self, stage, amount):
        advance(self, stage, amount)
        seen.setdefault(stage, []).append((self.done[stage], self._totals[stage]))
        if stage == "write":
            query = "select count(*) from measurements"
            copies = self.done["write"] - counted(data, query)
            assert 0 <= copies <= 30  # what is said to be written is committed

    def recorded_end(self, stage):
        seen[stage].append((self.done[stage], self._totals[stage]))
        end(self, stage)

    monkeypatch.setattr(Progress, "advance", recorded_advance)
    monkeypatch.setattr(Progress, "end", recorded_end)
    ran = ingested(
        simulated(40, 2000), data, {**BY_SEVEN, "threading.db_write_batch_size": 3}, dashboards=True
    )
    counts = ran.result.counts
    for stage, steps in seen.items():
        done = [count for count, _ in steps]
        assert done == sorted(done), stage
        assert all(total is None or count <= total for count, total in steps), stage
    assert seen["read"][-1][0] == 2000
    assert seen["write"][-1] == (2000 - counts["quarantined"],) * 2
    assert seen["draw"][-1] == (40, 40)
    assert len(seen["write"]) > 14


WAYS = {
    "two threads": {"threading.user_pool_size": 2, **BY_THREE},
    "eight threads": {"threading.user_pool_size": 8, **BY_THREE},
    "automatic": {"threading.user_pool_size": 0, "execution.users_per_task": 0},
    "one by one": {"threading.db_write_batch_size": 1, **BY_THREE},
    "by seven": {"threading.db_write_batch_size": 7, **BY_SEVEN},
    "in one task": {"execution.users_per_task": 1000},
    "spilled": {"data.spill_rows": 100, **BY_THREE},
    "one reader": {"threading.db_read_connections": 1, **BY_THREE},
}


@pytest.fixture(scope="module")
def one_after_another():
    """Exports of the sequential way, by the files that it was given."""
    return {}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_export_any_way_it_runs(
    ingested, simulated, exported, tmp_path, one_after_another, way
):
    both = [simulated(12, 750), simulated(12, 750, 1)]  # the same persons: the second is no start

    def run(data: Path, settings):
        for source in both:
            assert ingested(source, data, settings).state.name == "Completed"
        return exported(data)

    if not one_after_another:
        sequential = {"threading.enabled": False}
        one_after_another["export"] = run(tmp_path / "sequential", sequential)
    assert run(tmp_path / "data", WAYS[way]) == one_after_another["export"]


def test_the_pool_has_exactly_the_configured_width(ingested, simulated, tmp_path, monkeypatch):
    import tasks.filter

    width = 3
    judge = tasks.filter.judge_new
    together = threading.Barrier(width)  # passes only when so many are at work at once
    lock, at_work, most = threading.Lock(), 0, 0

    def counted_judge(*given):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        together.wait(20)
        try:
            return judge(*given)
        finally:
            with lock:
                at_work -= 1

    monkeypatch.setattr(tasks.filter, "judge_new", counted_judge)
    settings = {"threading.user_pool_size": width, **BY_THREE}
    ran = ingested(simulated(36, 900), tmp_path / "data", settings, retro="off")
    assert ran.state.name == "Completed", ran.result.problems
    assert most == width


@pytest.fixture(scope="module")
def usual():
    """Where an ingest that can start all its threads has put its store and pages, once it has."""
    return []


@pytest.mark.parametrize("startable", [0, 1, 2])
def test_a_pool_that_cannot_start_is_narrower(
    ingested, simulated, exported, tmp_path, monkeypatch, caplog, usual, startable
):
    source = simulated(40, 2000)
    if not usual:
        ingested(source, tmp_path / "usual", dashboards=True)
        usual.append(tmp_path / "usual")
    flow_thread = threading.current_thread()
    start = threading.Thread.start

    def few(thread):
        ours = [t for t in threading.enumerate() if hasattr(t, "counted")]
        # Probes and workers of a stage, and the checkpoint thread; Prefect's own may start.
        stage = thread._target.__name__ in ("wait", "_worker") or (
            thread.name == "checkpoint" and not startable
        )
        if threading.current_thread() is flow_thread and stage:
            if len(ours) >= (startable + SPARE_THREADS if startable else 0):
                raise RuntimeError("can't start new thread")
            thread.counted = True
        start(thread)

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "weightstream"):
        patched.setattr(threading.Thread, "start", few)
        ran = ingested(source, tmp_path / "data", dashboards=True, settings=WIDE)
    assert ran.state.name == "Completed", ran.result
    assert f"filter: only {startable} of 4 threads" in caplog.text
    assert f"smooth: only {startable} of 4 threads" in caplog.text
    # So few persons are drawn by one thread, beside the one of the report on data quality.
    assert ("draw: only 0 of 1 threads" in caplog.text) == (startable < 2)
    assert exported(tmp_path / "data") == exported(usual[0])
    pages = sorted(p.name for p in (tmp_path / "data/dashboards/persons").iterdir())
    assert pages == sorted(p.name for p in (usual[0] / "dashboards/persons").iterdir())


def test_outcomes_of_a_selection_add_up(ingested, simulated, tmp_path):
    settings = {"data.min_readings": 20, "data.max_users": 30, "data.user_offset": 5}
    ran = ingested(simulated(40, 2000), tmp_path / "data", settings, retro="off")
    assert ran.state.name == "Completed"
    assert sum(ran.result.counts.values()) == 2000
    assert ran.result.counts["excluded"] > 0
    assert list(ran.result.counts) == list(OUTCOMES)
    assert counted(tmp_path / "data", "select count(*) from users") == 30


def test_a_stored_file_is_not_read_again_in_another_timezone(ingested, csv_of, data_dir, exported):
    path = csv_of(*[("a", f"2024-01-{day:02} 07:00:00", "80") for day in range(1, 6)])
    assert ingested(path, data_dir, timezone="Europe/Oslo").state.is_completed()
    before = exported(data_dir)
    again = ingested(path, data_dir, timezone="America/New_York")
    assert again.state.is_failed()
    assert "is already stored with its times in another timezone" in str(again.result)
    assert exported(data_dir) == before
