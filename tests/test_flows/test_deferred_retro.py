"""Where retro runs, when, and what it says of what it did."""

import json
import sqlite3
import time
from datetime import date, timedelta

import pytest

from flows import deferred_retro
from flows.deferred_retro import retro_place
from weightstream.schema import RETRO_COUNTS


@pytest.mark.parametrize(
    ("asked", "served", "deployed", "place"),
    [
        ("inline", True, True, "here"),
        ("inline", False, False, "here"),
        ("off", True, True, "later"),
        ("off", False, False, "later"),
        ("defer", False, False, "later"),
        ("defer", True, True, "elsewhere"),
        ("defer", True, False, "here"),
        (None, False, False, "here"),
        (None, True, True, "elsewhere"),
        (None, True, False, "here"),
    ],
)
def test_where_retro_runs(monkeypatch, asked, served, deployed, place):
    monkeypatch.setattr(deferred_retro, "on_server", lambda: served)
    monkeypatch.setattr(deferred_retro, "deployed", lambda: deployed)
    assert retro_place(asked) == place


@pytest.fixture
def deployment(prefect_harness):
    """`retro/deferred` on the session's server, without a worker; gone afterwards."""
    from prefect import get_client

    from flows.retro import retro

    with get_client(sync_client=True) as client:
        number = client.create_deployment(client.create_flow(retro), "deferred")
        yield number
        client.delete_deployment(number)


def runs_of(deployment):
    from prefect import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    with get_client(sync_client=True) as client:
        only = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        return client.read_flow_runs(deployment_filter=only)


def test_a_deferred_retro_outlives_its_parent_and_draws_for_it(
    ingested, simulated, tmp_path, deployment
):
    data = tmp_path / "data"
    pages = []
    for _ in range(2):  # the second is a run of its own, not the first one again
        ran = ingested(simulated(12, 500), data, dashboards=True, retro="defer")
        assert ran.state.name == "Completed"
        assert ran.result.retro == {}
        pages.append(len(list(data.glob("dashboards/persons/*.html"))))
    # The first retro draws the pages; the second has to wait for it, so that the ingest draws.
    assert pages == [0, 12]
    with sqlite3.connect(data / "weightstream.db") as connection:
        assert connection.execute("select count(*) from users where dirty").fetchone() == (12,)
    time.sleep(2)  # in which the server would pass on a parent's end
    found = runs_of(deployment)
    assert [run.state.name for run in found] == ["Scheduled"] * 2
    assert all(run.parent_task_run_id for run in found)
    for run in found:
        assert run.parameters == {
            "data_dir": str(data),
            "config": str(tmp_path / "data.toml"),
            "dashboards": True,
            "png": False,
        }


def test_a_retro_that_cannot_be_started_is_said(ingested, simulated, tmp_path, monkeypatch):
    def refused(*given, **also):
        raise ConnectionError("the server went away with 81.2 kg")

    monkeypatch.setattr(deferred_retro, "deployed", lambda: True)
    monkeypatch.setattr(deferred_retro, "under_way", lambda name: False)
    monkeypatch.setattr(deferred_retro, "run_deployment", refused)
    ran = ingested(simulated(12, 500), tmp_path / "data", retro="defer", dashboards=True)
    assert ran.state.name == "Degraded"
    assert len(list((tmp_path / "data/dashboards/persons").glob("*.html"))) == 12
    (trouble,) = ran.result.problems
    assert "run `weightstream retro`" in trouble
    assert "81.2" not in trouble


def subflows_of(run_id):
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=children)


def test_an_inline_retro_has_a_run_of_its_own_under_the_ingest(ingested, simulated, tmp_path):
    ran = ingested(simulated(12, 500), tmp_path / "data", retro="inline")
    (retro,) = subflows_of(ran.result.run_id)
    assert (retro.name, retro.state.name) == ("retro of the ingest", "Completed")
    assert retro.state.message == "12 persons"
    assert retro.parameters == {"run": ran.result.run_id}
    off = ingested(simulated(12, 500), tmp_path / "off", retro="off")
    assert subflows_of(off.result.run_id) == []


def test_an_inline_retro_that_fails_in_part_degrades_both(
    ingested, simulated, tmp_path, monkeypatch
):
    def fail(*given):
        raise KeyError("someone weighs 81.2 kg")

    monkeypatch.setattr("tasks.smooth.judge_stored", fail)
    ran = ingested(simulated(12, 500), tmp_path / "data", retro="inline")
    (retro,) = subflows_of(ran.result.run_id)
    assert (ran.state.name, retro.state.name) == ("Degraded", "Degraded")
    assert sum(ran.result.counts.values()) == 500
    assert ran.result.problems
    assert "81.2" not in retro.state.message + str(ran.result.problems)
    with sqlite3.connect(tmp_path / "data/weightstream.db") as connection:
        assert connection.execute("select count(*) from users where dirty").fetchone() == (12,)


def test_a_store_that_stays_locked_ends_both(ingested, simulated, tmp_path, monkeypatch):
    from weightstream.errors import StoreLocked

    def locked(*given):
        raise StoreLocked("the store is locked")

    monkeypatch.setattr("flows.retro.smooth_dirty", locked)
    ran = ingested(simulated(12, 500), tmp_path / "data", retro="inline")
    assert (ran.state.name, ran.state.message) == ("Failed", "the store is locked")


def day(number):
    return str(date(2024, 1, 1) + timedelta(number)) + "T07:00:00Z"


def test_what_retro_did_is_told_and_kept(ingested, csv_of, tmp_path, command):
    # After nearly a year without weighing, two readings of 13.5 kg more may be right, until the
    # old level comes back; a week at 12 less is believed once it is clear that it lasts.
    days = [*range(0, 70, 7), 363, 365, *range(367, 377, 2)]
    more = {10: 13.5, 11: 13.5}
    heavy = [("a", day(on), f"{80 + n % 5 / 10 + more.get(n, 0):.1f}") for n, on in enumerate(days)]
    less = {12: -12, 13: -12, 14: -12}
    light = [("b", day(3 * n), f"{80 + n % 5 / 10 + less.get(n, 0):.1f}") for n in range(30)]
    rows = [*heavy, *light]
    source, data = csv_of(*rows), tmp_path / "data"
    ingested(source, data, retro="off")
    with sqlite3.connect(data / "weightstream.db") as connection:
        query = "select measurement_id, verdict from current_decisions"
        before = dict(connection.execute(query))
    ran = command("retro", "--data-dir", data, "--no-dashboards", "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout.splitlines()[-1])["retro"]
    assert list(told) == list(RETRO_COUNTS)
    with sqlite3.connect(data / "weightstream.db") as connection:
        after = dict(connection.execute(query))
        (kept,) = connection.execute("select results from runs order by id desc").fetchone()
        (first,) = connection.execute("select results from runs order by id").fetchone()
    turned = [(before[one], after[one]) for one in after if before[one] != after[one]]
    assert set(turned) == {("accepted", "rejected"), ("rejected", "accepted")}
    assert told["persons"] == 2
    assert told["readings"] == len(after)
    assert told["accepted_to_rejected"] == turned.count(("accepted", "rejected"))
    assert told["rejected_to_accepted"] == turned.count(("rejected", "accepted"))
    assert json.loads(kept) == {"retro": told}
    assert first is None
    assert f"{told['readings']:,} readings of 2 persons" in ran.stderr
    # The same within an ingest; nothing is left to look at afterwards.
    inline = ingested(source, tmp_path / "inline", retro="inline").result
    assert inline.retro == told
    assert "retro" not in json.loads(inline.to_json())
    again = command("retro", "--data-dir", data, "--no-dashboards", "--json")
    assert set(json.loads(again.stdout.splitlines()[-1])["retro"].values()) == {0}
