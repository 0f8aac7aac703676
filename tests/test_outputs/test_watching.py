"""Alerts as a page gets them: from the store, filtered anew, by the rules of the configuration."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta

import numpy as np
import pytest

from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.judging.causal import judging_on
from weightstream.outputs.drawing import drawing_of, read_people
from weightstream.outputs.watching import read_persons

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
