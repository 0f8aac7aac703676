"""Alerts as a page gets them: from the store, filtered anew, by the rules of the configuration."""

import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from weightstream.cli_alerts import cli
from weightstream.config import Config
from weightstream.errors import ConfigError, WeightstreamError
from weightstream.outputs import alert_list as alerts_of_all
from weightstream.outputs.drawing import drawing_of, read_people
from weightstream.outputs.watching import read_persons
from weightstream.store.alert_statuses import say
from weightstream.store.models import judging_on

FLUID = 1.6
"""kg a day that each of the last five readings gains."""


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    """Four persons weighed daily, who all gain 8 kg in their last five days."""
    rng = np.random.default_rng(3)
    rows = []
    for user in ("ann", "bob", "cid", "dot"):
        for n in range(45):
            kg = 80.0 + rng.normal(0, 0.35) + FLUID * max(0, n - 39)
            day = date(2024, 5, 1) + timedelta(days=n)
            rows.append((user, f"{day}T06:03:00+01:00", f"{kg:.1f}", "kg", "patient-device"))
    folder = fresh_dir()
    store_files(folder, csv_of(*rows))
    return folder


def people_of(store, **alerts):
    config = Config.model_validate({"alerts": alerts})
    with closing(sqlite3.connect(store / "weightstream.db")) as connection:
        drawing = drawing_of(store / "dashboards", config, judging_on(connection, config))
        return {
            p.user_id: p for p in read_people(connection, drawing, ["ann", "bob", "cid", "dot"])
        }


def kinds(person):
    return [alert.kind for alert in person.alerts]


def test_a_rapid_gain_is_told_of_all_four(store):
    """0.1 told it of nobody, and called their readings another person's."""
    for person in people_of(store).values():
        assert "rapid_gain" in kinds(person)
        assert person.alerts[-1].change_kg > 2.0


def test_the_rules_are_live(store):
    for person in people_of(store, rules=["weight-loss"]).values():
        assert "rapid_gain" not in kinds(person)


def test_the_least_probability_is_live(store):
    for person in people_of(store, rules=["heart-failure"], least_probability=1.0).values():
        assert kinds(person) == []


def test_a_table_gives_persons_rules_of_their_own(store, tmp_path):
    table = tmp_path / "watched.csv"
    table.write_text("user_id,rules\nann,weight-loss unusual\nbob,\n")
    people = people_of(store, persons_file=str(table))
    assert "rapid_gain" not in kinds(people["ann"])
    assert kinds(people["bob"]) == []
    assert "rapid_gain" in kinds(people["cid"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "user_id,rules\nann,heart-failure\nbob,heart-attack\n",
            "line 3: .*'heart-attack'.*heart-",
        ),
        ("person,rules\n", "line 1: .*needs the columns user_id and rules"),
        ("", "line 1: .*needs the columns"),
        (None, "cannot be read"),
    ],
)
def test_a_table_that_is_of_no_use_is_refused(tmp_path, content, said):
    table = tmp_path / "watched.csv"
    if content is not None:
        table.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_persons(table)


def test_the_projection_starts_from_the_level_that_stands(store):
    """0.1 projected the causal state, also where retro had withdrawn it."""
    for person in people_of(store).values():
        level = float(person.columns["level_kg"][-1])
        assert abs(person.outlook.level_kg[0] - level) < 1.0
        assert person.outlook.level_lo_kg[0] < level < person.outlook.level_hi_kg[0]


def test_the_clock_of_the_source_reaches_the_page(store):
    assert people_of(store)["ann"].columns["raw_time"][0].endswith("+01:00")


def test_a_person_says_what_became_of_an_alert(store):
    config = Config.model_validate({"data": {"data_dir": store}})
    before = people_of(store)["dot"]
    alert = before.alerts[-1]
    say(config, ("dot", alert.kind, alert.began), "acknowledged", "Eva", "called her")
    after = people_of(store)["dot"]
    assert after.alerts[-1].status == "acknowledged"
    assert after.alerts[-1].said.startswith("Eva on 20")
    assert after.alerts[-1].said.endswith(": called her")
    assert after.revision == before.revision + 1  # so that the page is drawn anew
    assert all(one.status == "new" for one in people_of(store)["cid"].alerts)
    say(config, ("dot", alert.kind, alert.began), "closed", "Eva")
    assert people_of(store)["dot"].alerts[-1].status == "closed"


def test_an_alert_keeps_its_name_while_it_grows(store):
    for person in people_of(store).values():
        alert = person.alerts[-1]
        assert alert.began <= alert.at
        assert alert.began >= "2024-06-08"


def test_a_status_that_cannot_be_is_refused(store):
    config = Config.model_validate({"data": {"data_dir": store}})
    for key, status, by, said in (
        (("dot", "unusual", "2024-06-10"), "done", "Eva", "it is one of new, acknowledged, closed"),
        (("dot", "unusual", "2024-06-10"), "closed", " ", "who sets the status"),
        (("nobody", "unusual", "2024-06-10"), "closed", "Eva", "no person called 'nobody'"),
    ):
        with pytest.raises(WeightstreamError, match=said):
            say(config, key, status, by)


def test_the_commands_list_and_close_alerts(store):
    def run(*arguments):
        return CliRunner().invoke(cli, [*arguments, "--data-dir", str(store)])

    listed = run("alerts", "--json")
    assert listed.exit_code == 0, listed.output
    rows = [row for row in json.loads(listed.stdout) if row["user_id"] == "cid"]
    key = (rows[0]["kind"], rows[0]["began"])
    assert f"cid {key[0]} {key[1]}  new: " in run("alerts").stdout
    done = run("alert", "cid", *key, "close", "--by", "Eva")
    assert done.exit_code == 0, done.output
    left = [(row["kind"], row["began"]) for row in json.loads(run("alerts", "--json").stdout)
            if row["user_id"] == "cid"]  # fmt: skip
    assert key not in left
    assert "closed by Eva on" in run("alerts", "--user", "cid").stdout
    assert run("alert", "cid", "unusual", "1999-01-01", "close", "--by", "Eva").exit_code == 2


@pytest.mark.parametrize(("days", "is_listed"), [(0, True), (-1, False)])
def test_an_alert_is_recent_up_to_its_last_day(store, monkeypatch, days, is_listed):
    """Against the newest reading of all, of 14 June."""
    config = Config.model_validate({"data": {"data_dir": store}})
    alert = alerts_of_all.alert_list(config)[0]
    age = (date(2024, 6, 14) - date.fromisoformat(alert["at"][:10])).days
    monkeypatch.setattr(alerts_of_all, "RECENT_DAYS", age + days)
    assert (alert in alerts_of_all.alert_list(config)) is is_listed


def test_page_and_export_say_the_same_change(store):
    for person in people_of(store).values():
        known = np.flatnonzero(~np.isnan(person.columns["change_28d_kg"]))
        assert len(known) > 10
        said = person.trend.four_weeks[:, known]
        for row, name in enumerate(("kg", "lo_kg", "hi_kg")):
            assert np.array_equal(said[row], person.columns[f"change_28d_{name}"][known])
        four = next(change for change in person.trend.newest if change.name == "4 weeks")
        assert four.kg == person.trend.four_weeks[0, -1]
