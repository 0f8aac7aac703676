"""The newest version of each measurement, told from the order in which they are stored."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pyarrow as pa
import pytest

from weightstream.judging.stored import CURRENT
from weightstream.store import queries
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.runs import begin_run
from weightstream.store.stored_persons import StoredPersons

DECISION = (
    "insert into decisions (user_id, effective_at, measurement_id, version, verdict, reason, stage,"
    " model, run) values (?, ?, ?, ?, 'accepted', ?, 'causal', 'm', ?)"
)


@pytest.fixture
def connection(data_dir):
    with open_writer(data_dir) as connection:
        run = begin_run(connection, data_dir / STORE_NAME, "r", "ingest")
        # A reading that was moved stands at the end of one person and at the start of the next.
        versions = [
            ("a", "1", "m1", 2),
            ("a", "2", "m2", 3),
            ("b", "2", "m2", 2),
            ("c", "1", "m3", 1),
        ]
        for user, at, name, count in versions:
            for version in range(1, count + 1):
                row = (user, at, name, version, f"{user}{version}", run)
                connection.execute(DECISION, row)
        yield connection


def test_the_newest_of_each_person_and_measurement(connection):
    found = StoredPersons(connection).current(dict.fromkeys(["c", "a", "b"], ""), "causal")
    assert found.schema == CURRENT
    rows = zip(*(found[name].to_pylist() for name in ("measurement_id", "reason")), strict=True)
    assert sorted(rows) == [("m1", "a2"), ("m2", "a3"), ("m2", "b2"), ("m3", "c1")]
    nobody = StoredPersons(connection).current(dict.fromkeys(["nobody"], ""), "causal")
    assert nobody.equals(CURRENT.empty_table())


def test_figures_are_those_of_one_stage(connection):
    connection.execute("update decisions set level_kg = 80.5")
    connection.execute("update decisions set stage = 'retro' where user_id = 'c'")
    found = StoredPersons(connection).current(dict.fromkeys(["a", "b", "c"], ""), "retro")
    rows = zip(*(found[name].to_pylist() for name in ("stage", "level_kg")), strict=True)
    assert sorted(rows, key=str) == [("causal", None)] * 3 + [("retro", 80.5)]


def test_any_number_of_rows_is_one_table(connection, monkeypatch):
    for rows in (1, 2, 3, 4, 5):
        monkeypatch.setattr(queries, "ROWS_AT_A_TIME", rows)
        found = StoredPersons(connection).current(dict.fromkeys(["a", "b", "c"], ""), "causal")
        assert len(found) == 4
        assert all(column.num_chunks <= 1 for column in found.columns)
        assert isinstance(found, pa.Table)


def test_one_thread_fetches_at_a_time(connection):
    """Side by side they would wait for the GIL at every row."""
    inside, most = 0, 0

    def row() -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.02)
        inside -= 1
        return 1

    def fetch(_: int) -> int:
        with closing(sqlite3.connect(":memory:", check_same_thread=False)) as own:
            own.create_function("row", 0, row)
            return len(queries.table(own, pa.schema([("n", pa.int64())]), "select row()"))

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(fetch, range(3))) == [1, 1, 1]
    assert most == 1
