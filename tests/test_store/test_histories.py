"""Histories for pages hold what the export shows, in its order; read another way."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta

import numpy as np
import pytest

from weightstream.config import Config
from weightstream.errors import StoreError
from weightstream.outputs.exports.decisions import decisions_of
from weightstream.parsing.times import parse_times
from weightstream.store.checksums import renew_all
from weightstream.store.histories import REPLACED, histories
from weightstream.store.overriding import OverrideRequest, override
from weightstream.store.stored_persons import StoredPersons

ZONE = "America/New_York"
COPIED = (
    "user_id, effective_at, measurement_id, p_valid, expected_kg, expected_margin_kg, level_kg, "
    "level_margin_kg, trend_kg_per_week, model, run"
)


@pytest.fixture(scope="module")
def connection(store_files, csv_of, fresh_dir):
    """Dates without an hour, ties, errors, another version of a decision, someone undecided."""
    rng = np.random.default_rng(5)
    rows = []
    for user, kg in (("bob", 81.0), ("<a>", 70.0), ("ann", 95.0)):
        for n in range(40):
            day = date(2023, 12, 1) + timedelta(days=n)
            weight = kg * (2.2046 if n in (20, 31) else 1.0) + rng.normal(0, 0.4)
            for at, source in ((f"{day}T18:00:00Z", "scale"), (str(day), "app"))[: 1 + n % 3 // 2]:
                rows.append((user, at, f"{weight:.1f}", "kg", source))
        rows.append((user, f"{date(2023, 12, 5)}T18:00:00Z", f"{kg + 0.1:.1f}", "kg", "clinic"))
        rows.append((user, f"{date(2023, 12, 5)}T18:00:00.250Z", f"{kg:.1f}", "kg", "app"))
    folder = fresh_dir()
    zone = {"data": {"timezone": ZONE, "min_readings": 2}}
    store_files(folder, csv_of(*rows, ("dot", "2024-01-01", "60")), settings=zone)
    later = [(user, "2024-01-20", "81", "kg", "app") for user in ("bob", "ann")]
    store_files(folder, csv_of(*later), settings=zone)
    with closing(sqlite3.connect(folder / "weightstream.db")) as opened:
        # A version of each tenth decision that says something else.
        opened.execute(
            f"insert into decisions (version, verdict, reason, suggested_kg, stage, {COPIED}) "
            f"select version + 1, 'rejected', 'digit_swap', 77.5, 'retro', {COPIED} "
            "from decisions where measurement_id like '%a'"
        )
        renew_all(opened)
        yield opened


USERS = ["bob", "dot", "nobody", "<a>", "ann"]


ONLY_FOR_PAGES = {"raw_time", "local_hour"}


def test_they_are_what_the_export_shows(connection):
    found = histories(connection, USERS, ZONE)
    assert found.user_ids == ("bob", "<a>", "ann")
    for name, rows in found.each():
        table = decisions_of(connection, [name], ZONE)
        assert len(table) == rows.stop - rows.start > 40
        for column, values in found.columns.items():
            if column in ONLY_FOR_PAGES:
                continue
            expected = table[column].to_pylist()
            if isinstance(values, np.ndarray):
                told = [None if np.isnan(v) else v for v in values[rows].tolist()]
                assert told == expected, column
            else:
                assert values[rows] == expected, column
        times = parse_times(table["effective_at"].combine_chunks(), ZONE, None).us
        assert found.time_us[rows].tolist() == times.tolist()
    shown = set(decisions_of(connection, ["bob"], ZONE).column_names)
    assert set(found.columns) - ONLY_FOR_PAGES == shown - {
        "user_id",
        "run_id",
        "explanation",
        "override",
        "override_by",
    }


def test_a_date_stands_at_its_noon_where_the_store_is(connection):
    found = histories(connection, ["bob"], ZONE)
    at = found.columns["effective_at"].index("2023-12-03")
    assert found.time_us[at] == np.datetime64("2023-12-03T17:00", "us").astype(int)
    assert found.time_us[at] < found.time_us[at + 1]


def test_versions_that_were_replaced(connection):
    found = histories(connection, USERS, ZONE)
    expected = connection.execute(
        f"select user_id, measurement_id, {', '.join(REPLACED)} from decisions d where version < "
        "(select max(version) from decisions v where v.measurement_id = d.measurement_id)"
    ).fetchall()
    assert len(expected) >= 3
    told = [(user, *version) for user, some in found.replaced.items() for version in some]
    assert sorted(told) == sorted(expected)


@pytest.mark.parametrize("users", [[], ["nobody"], ["dot"]])
def test_who_has_no_decisions_has_no_history(connection, users):
    found = histories(connection, users, ZONE)
    assert found.user_ids == ()
    assert found.indptr.tolist() == [0]
    assert list(found.each()) == []
    assert StoredPersons(connection).persons(["dot"])  # though the store knows the person


def test_what_was_assigned_to_another_is_in_that_ones_history(store_files, csv_of, fresh_dir):
    folder = fresh_dir()
    days = [f"2024-01-{day:02}" for day in range(1, 15)]
    rows = [(user, day, kg) for user, kg in (("a", "80"), ("b", "60")) for day in days]
    store_files(folder, csv_of(*rows, ("b", "2024-01-20", "80.4"), ("b", "2024-01-21", "80.3")))
    config = Config.model_validate({"data": {"data_dir": folder}})
    with closing(sqlite3.connect(folder / "weightstream.db")) as connection:
        query = "select measurement_id from measurements where weight_kg > 80 order by effective_at"
        first, second = (name for (name,) in connection.execute(query))
        for which in (first, second):
            override(config, [OverrideRequest(which, "assign", "a", "eva", None)])
        override(config, [OverrideRequest(second, "withdraw", None, "eva", None)])
        found = histories(connection, ["b", "a"], "UTC")
        ids = {name: found.columns["measurement_id"][rows] for name, rows in found.each()}
        assert (first in ids["a"], first in ids["b"]) == (True, False)
        assert (second in ids["a"], second in ids["b"]) == (False, True)
        for name, rows in found.each():
            table = decisions_of(connection, [name], "UTC")
            assert ids[name] == table["measurement_id"].to_pylist()
            assert found.columns["verdict"][rows] == table["verdict"].to_pylist()
            assert found.columns["raw_weight"][rows] == table["raw_weight"].to_pylist()
        alone = histories(connection, ["a"], "UTC")
        assert alone.columns["measurement_id"] == ids["a"]
        assert "moved" not in {version[3] for some in found.replaced.values() for version in some}


def test_a_missing_reading_of_another_is_told_to_whom_it_was_assigned(
    store_files, csv_of, fresh_dir
):
    folder = fresh_dir()
    rows = [(user, "2024-01-01", kg) for user, kg in (("a", "80"), ("b", "80.4"))]
    store_files(folder, csv_of(*rows))
    config = Config.model_validate({"data": {"data_dir": folder}})
    with closing(sqlite3.connect(folder / "weightstream.db")) as connection:
        query = "select measurement_id from measurements where user_id = 'b'"
        (which,) = connection.execute(query).fetchone()
        override(config, [OverrideRequest(which, "assign", "a", "eva", None)])
        connection.execute("delete from measurements where measurement_id = ?", (which,))
        with pytest.raises(StoreError, match="rows of 1 persons are missing"):
            histories(connection, ["a"], "UTC")
