"""The inbox as a flow: what is dropped is stored before it moves, and Prefect hears no names."""

import json
import sqlite3

import pytest

HEADER = "user_id,effectiveDateTime,source_type,weight,unit\n"
ROW = "P-1,2024-01-01T07:00:00Z,scale,80,kg\n"
PERSON = "Canary-Plover-3188"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data/inbox").mkdir(parents=True)
    return tmp_path / "data/inbox"


@pytest.fixture
def run_inbox(prefect_harness, tmp_path):
    """Run the flow on the inbox of a data directory; gives its final state and result."""
    from flows.inbox import inbox

    def run(**parameters):
        config = tmp_path / "some.toml"
        config.write_text("data.inbox_rest_seconds = 0\n")
        given = {"dashboards": False, "retro": "off", **parameters}
        state = inbox(str(tmp_path / "data"), str(config), **given, return_state=True)
        return state, state.result(raise_on_failure=False)

    return run


def stored(folder, query):
    with sqlite3.connect(folder.parent / "weightstream.db") as connection:
        return connection.execute(query).fetchall()


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*.csv*")}


def test_an_empty_inbox_is_a_quiet_success(run_inbox, folder):
    state, _ = run_inbox()
    assert state.name == "Completed"
    assert state.message == "nothing rests in the inbox"
    assert not (folder.parent / "weightstream.db").exists()


def test_good_bad_and_doubled_files(run_inbox, folder):
    (folder / "a.csv").write_text(HEADER + ROW)
    (folder / "copy-of-a.csv").write_text(HEADER + ROW)
    (folder / f"user={PERSON}").mkdir()
    (folder / f"user={PERSON}" / "mine.csv").write_text("timestamp,weight,unit\n2024-01-01,90,kg\n")
    (folder / f"user={PERSON}" / "bad.csv").write_text("this,is,no header\n1,2,3\n")
    state, summary = run_inbox()
    assert names(folder) == {
        "done/a.csv",
        "done/copy-of-a.csv",
        f"done/user={PERSON}/mine.csv",
        f"failed/user={PERSON}/bad.csv",
        f"failed/user={PERSON}/bad.csv.report.txt",
    }
    report = (folder / f"failed/user={PERSON}/bad.csv.report.txt").read_text()
    assert report.startswith(f"user={PERSON}/bad.csv has no column")
    assert summary.counts["accepted"] == 2
    assert summary.counts["duplicates"] == 1
    assert stored(folder, "select user_id from users order by 1") == [(PERSON,), ("P-1",)]
    assert stored(folder, "select reads from files order by 1") == [(1,), (2,)]
    assert state.name == "Degraded"
    assert state.message == "1 file not done: see the inbox's failed folder"
    assert PERSON not in json.dumps(summary.problems)


def test_a_run_that_fails_leaves_all_where_it_was_dropped(run_inbox, folder, monkeypatch):
    (folder / "a.csv").write_text(HEADER + ROW)
    with monkeypatch.context() as patched:
        patched.setattr("flows.ingest.register_files", lambda *given: 1 / 0)
        state, _ = run_inbox()
    assert state.name == "Failed"
    assert names(folder) == {"a.csv"}
    state, summary = run_inbox()
    assert state.name == "Completed"
    assert summary.counts["accepted"] == 1


def test_files_of_a_batch_that_failed_are_not_done(run_inbox, folder, monkeypatch):
    (folder / "a.csv").write_text(HEADER + ROW)
    (folder / "b.csv").write_text(HEADER + ROW.replace("P-1", "P-2"))
    judged = []

    def fail_once(settings, store, partition):
        judged.append(partition)
        if len(judged) == 1:
            raise KeyError("P-1 weighs 80")
        return judge(settings, store, partition)

    import tasks.filter

    judge = tasks.filter.judge_new
    monkeypatch.setattr(tasks.filter, "judge_new", fail_once)
    state, summary = run_inbox()
    assert summary.counts["failed"] == 1
    assert state.name == "Degraded"
    assert len({name for name in names(folder) if name.startswith("done/")}) == 1
    (report,) = folder.glob("failed/*.report.txt")
    assert "put it back into the inbox" in report.read_text()


def test_a_reader_that_trips_over_one_file_does_not_stop_the_others(run_inbox, folder, monkeypatch):
    from weightstream.intake import sources as intake

    read = intake._read

    def trip(file, *given):
        if file.path.name == "a.csv":
            raise IndexError("P-1 weighs 80")
        read(file, *given)

    (folder / "a.csv").write_text(HEADER + ROW)
    (folder / "b.csv").write_text(HEADER + ROW.replace("P-1", "P-2"))
    monkeypatch.setattr(intake, "_read", trip)
    _, summary = run_inbox()
    assert summary.counts["accepted"] == 1
    assert "done/b.csv" in names(folder)
    report = (folder / "failed/a.csv.report.txt").read_text()
    assert report == "a.csv cannot be read (IndexError)\n"


@pytest.mark.parametrize("name", ["data_dir", "config"])
def test_paths_other_than_those_deployed_are_refused(prefect_harness, tmp_path, monkeypatch, name):
    from prefect import get_client
    from prefect.runtime import deployment

    from flows.inbox import inbox

    config = tmp_path / "some.toml"
    config.write_text("")
    deployed = {"data_dir": str(tmp_path / "data"), "config": str(config)}
    with get_client(sync_client=True) as client:
        number = client.create_deployment(client.create_flow(inbox), "held", parameters=deployed)
        monkeypatch.setattr(deployment, "get_id", lambda: str(number))
        state = inbox(**{**deployed, name: str(tmp_path / "other")}, return_state=True)
        client.delete_deployment(number)
    assert state.name == "Failed"
    assert "ingest/inbox works on the data directory" in state.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.toml"]
