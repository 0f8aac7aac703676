"""The store as Datasette shows it, asked through its JSON API."""

import asyncio
import json
import sqlite3

import pytest
from datasette.app import Datasette
from sqlite_utils import Database

from weightstream.store.datasette import HIDDEN, metadata, write_metadata
from weightstream.store.descriptions import SHARED, TABLES, column_of
from weightstream.store.migrations import migrations


@pytest.fixture(scope="module")
def shown(store_files, csv_of, fresh_dir):
    """GET a path of Datasette's JSON API; the store has every kind of row."""
    data_dir = fresh_dir()
    rows = [("a", f"2024-01-{day:02}T07:00:00Z", f"80.{day}", "kg") for day in range(1, 9)]
    rows += [("a", "2024-01-09T07:00:00Z", "900"), ("b", "2024-02-01", "75", "kg", "other scale")]
    rows += [("b", "soon", "75"), ("b", "2024-02-02", "23", "kg/m2"), ("b", "later", "75")]
    store_files(data_dir, csv_of(*rows))
    write_metadata(data_dir)
    said = json.loads((data_dir / "metadata.json").read_text("utf-8"))
    app = Datasette([str(data_dir / "weightstream.db")], metadata=said)

    def get(path):
        response = asyncio.run(app.client.get(path))
        assert response.status_code == 200, response.text
        return response.json()

    return get


def test_tables_and_views_are_listed_and_described(shown):
    listed = shown("/weightstream.json")
    tables = {table["name"]: table for table in listed["tables"]}
    assert {"measurements", "decisions", "quarantine", "files", "runs"} <= set(tables)
    assert {name for name, table in tables.items() if table["hidden"]} >= set(HIDDEN)
    views = {view["name"] for view in listed["views"]}
    assert views == {
        "current_decisions", "rejected_readings", "persons", "quarantine_by_reason"
    }  # fmt: skip
    said = shown("/-/metadata.json")["databases"]["weightstream"]["tables"]
    for name in views | set(tables) - {"_sqlite_migrations"}:
        assert said[name]["description"], name


def test_decisions_have_facets(shown):
    found = shown("/weightstream/current_decisions.json?_shape=objects")
    assert len(found["rows"]) == 10
    facets = found["facet_results"]
    assert set(facets) == {"verdict", "reason", "source", "stage"}
    counts = {one["value"]: one["count"] for one in facets["verdict"]["results"]}
    assert counts == {"accepted": 9, "rejected": 1}
    by_weight = "/weightstream/current_decisions.json?_shape=objects&_sort_desc=weight_kg"
    assert shown(by_weight)["rows"][0]["weight_kg"] == 900


def test_the_views(shown):
    (row,) = shown("/weightstream/rejected_readings.json?_shape=array")
    assert (row["user_id"], row["weight_kg"], row["reason"]) == ("a", 900, "implausible")
    persons = shown("/weightstream/persons.json?_shape=array&_sort=user_id")
    assert [row["readings"] for row in persons] == [9, 1]
    assert persons[0]["rejected_percent"] == 11.1
    assert (persons[0]["first_at"], persons[0]["last_at"]) == (
        "2024-01-01T07:00:00Z",
        "2024-01-09T07:00:00Z",
    )
    assert persons[0]["waits_for_retro"] == 1
    reasons = shown("/weightstream/quarantine_by_reason.json?_shape=array&_sort=reason")
    assert [(row["reason"], row["rows"], row["first_line"]) for row in reasons] == [
        ("bad_timestamp", 2, 12),
        ("not_body_weight", 1, 13),
    ]
    assert "'soon'" in reasons[0]["example"]


def test_the_series_of_a_person(shown):
    rows = shown("/weightstream/series_of_a_person.json?user_id=b&_shape=array")
    assert [(row["effective_at"], row["source"]) for row in rows] == [("2024-02-01", "other scale")]


def tables():
    database = Database(sqlite3.connect(":memory:"))
    migrations.apply(database)
    names = [name for name in database.table_names() if not name.startswith(("_", "sqlite"))]
    return {
        name: [column.name for column in database[name].columns]
        for name in [*names, *database.view_names()]
    }


def test_every_table_and_column_is_described():
    lacking = [
        f"{table}.{column}"
        for table, columns in tables().items()
        for column in ["", *columns]
        if (table not in TABLES if not column else column_of(table, column) is None)
    ]
    assert lacking == [], "say in weightstream/store/descriptions.py what they mean"


def test_nothing_is_described_that_is_not_there():
    there = tables()
    files = {"received"}
    assert set(TABLES) - set(there) == files
    for table, (_, columns) in TABLES.items():
        assert set(columns) <= set(there.get(table, columns)), table
    used = {column for columns in there.values() for column in columns} | {"explanation"}
    assert set(SHARED) <= used


def test_facets_are_columns():
    there = tables()
    for name, said in metadata()["databases"]["weightstream"]["tables"].items():
        assert set(said["facets"]) <= set(there.get(name, ()))


def test_it_is_written_once_and_brought_up_to_date(tmp_path):
    write_metadata(tmp_path)
    path = tmp_path / "metadata.json"
    first = path.stat()
    write_metadata(tmp_path)
    assert path.stat().st_mtime_ns == first.st_mtime_ns
    path.write_text("{}")
    write_metadata(tmp_path)
    assert json.loads(path.read_text("utf-8")) == metadata()
    assert [one.name for one in tmp_path.iterdir()] == ["metadata.json"]


def test_an_ingest_leaves_it_beside_the_store(ingested, csv_of, tmp_path):
    ingested(csv_of(("a", "2024-01-01", "80")), tmp_path / "data")
    assert json.loads((tmp_path / "data/metadata.json").read_text("utf-8")) == metadata()
