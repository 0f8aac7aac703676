"""The inbox as a flow: what is dropped is stored before it moves, and Prefect hears no names."""

import json
import sqlite3

import pytest

from tests.running import loaded_by

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
        config.write_text("data.inbox_rest_seconds = 0\nexecution.users_per_task = 1\n")
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
    assert state.message == "the inbox has no file that is ready"
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


def test_a_stored_file_is_not_read_again_in_another_timezone(run_inbox, folder):
    local = HEADER + ROW.replace("Z", "")
    (folder / "a.csv").write_text(local)
    run_inbox(timezone="Europe/Oslo")
    (folder / "again.csv").write_text(local)
    (folder / "b.csv").write_text(HEADER + ROW.replace("P-1", "P-2"))
    _, summary = run_inbox(timezone="America/New_York")
    assert names(folder) >= {"done/b.csv", "failed/again.csv"}
    report = (folder / "failed/again.csv.report.txt").read_text()
    assert report.startswith("again.csv is already stored with its times in another timezone")
    assert summary.counts["accepted"] == 1


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


@pytest.fixture
def deployed(prefect_harness, tmp_path, monkeypatch):
    """A run of the inbox's deployment, on a server that says where the store is."""
    from prefect import get_client
    from prefect.runtime import deployment
    from prefect.variables import Variable

    from deployments.server import paths_of
    from flows.inbox import inbox
    from flows.served import Served

    config = tmp_path / "some.toml"
    config.write_text("data.inbox_rest_seconds = 0\n")
    served = Served()
    with get_client(sync_client=True) as client:
        paths = paths_of(client, served, config, tmp_path / "data")
        Variable.set(served.variable, paths, overwrite=True)
        number = client.create_deployment(client.create_flow(inbox), "held")
        monkeypatch.setattr(deployment, "get_id", lambda: str(number))
        yield paths
        client.delete_deployment(number)
        client.delete_variable_by_name(served.variable)


@pytest.mark.parametrize("name", ["data_dir", "config"])
def test_paths_other_than_the_server_s_are_refused(deployed, tmp_path, name):
    from flows.inbox import inbox

    state = inbox(**{**deployed, name: str(tmp_path / "other")}, return_state=True)
    assert state.name == "Failed"
    assert "ingest/inbox uses only the server's data directory" in state.message
    assert not (tmp_path / "data").exists()


def test_a_served_run_takes_the_server_s_store(deployed, folder):
    from flows.inbox import inbox

    (folder / "a.csv").write_text(HEADER + ROW)
    state = inbox(dashboards=False, retro="off", return_state=True)
    assert state.name == "Completed"
    assert stored(folder, "select reads from files") == [(1,)]


def test_a_served_run_never_chooses_a_store_by_itself(deployed, tmp_path, monkeypatch):
    from flows.inbox import inbox
    from flows.ingest import ingest

    monkeypatch.setenv("WEIGHTSTREAM_SERVED_AS", "unknown")
    monkeypatch.chdir(tmp_path)
    for state in (inbox(return_state=True), ingest(["a.csv"], return_state=True)):
        assert state.name == "Failed"
        assert "weightstream server setup --name unknown --data-dir" in state.message
    assert not (tmp_path / "data").exists()


def test_an_empty_look_by_the_schedule_is_deleted_and_one_by_a_person_stays(
    run_inbox, prefect_harness
):
    from prefect import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Completed

    from flows.inbox import NOTHING, forget_empty_look, inbox

    with get_client(sync_client=True) as client:
        for scheduled, message, kept in (
            (False, NOTHING, True),
            (True, "12 rows", True),
            (True, NOTHING, False),
        ):
            run = client.create_flow_run(inbox)
            run.auto_scheduled = scheduled
            forget_empty_look(inbox, run, Completed(message=message))
            if kept:
                assert client.read_flow_run(run.id)
            else:
                with pytest.raises(ObjectNotFound):
                    client.read_flow_run(run.id)
    assert inbox.on_completion_hooks == [forget_empty_look]


def test_the_remedy_for_a_file_of_nobody_is_a_folder(run_inbox, folder):
    (folder / "mine.csv").write_text("timestamp,weight,unit\n2024-01-01,90,kg\n")
    run_inbox()
    report = (folder / "failed/mine.csv.report.txt").read_text()
    assert "folder user=ID of the inbox" in report
    assert "--user" not in report


@pytest.mark.flow
def test_an_empty_look_imports_no_engine():
    """288 times a day on a server."""
    loaded = loaded_by("import flows.inbox")
    assert "flows.inbox" in loaded
    assert not {"numba", "scipy", "plotly", "pandas", "weightstream.engine"} & loaded
