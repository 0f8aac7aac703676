import json

import pyarrow as pa
import pytest

from weightstream import schema
from weightstream.errors import StoreError
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.runs import (
    FileCounts,
    begin_run,
    end_run,
    record_counts,
    register_files,
    remember_timezone,
    store_quarantine,
    write_quarantine,
)


@pytest.fixture
def path(data_dir):
    return data_dir / STORE_NAME


@pytest.fixture
def connection(data_dir):
    with open_writer(data_dir) as connection:
        yield connection


def counted(path, digest="aa", **counts):
    return FileCounts(path.with_name(f"{digest}.csv"), "csv", digest, 10, **counts)


def test_a_store_remembers_its_timezone(connection, path):
    remember_timezone(connection, path, "Europe/Oslo")
    remember_timezone(connection, path, "Europe/Oslo")
    with pytest.raises(StoreError, match="Europe/Oslo"):
        remember_timezone(connection, path, "UTC")
    assert connection.execute("select value from settings where key = 'timezone'").fetchall() == [
        ("Europe/Oslo",)
    ]


def test_a_run_that_is_tried_again_keeps_its_number(connection, path):
    first = begin_run(connection, path, "a", "ingest")
    end_run(connection, path, first, "failed", {"rows_in": 3}, {})
    assert begin_run(connection, path, "b", "retro") != first
    assert begin_run(connection, path, "a", "ingest") == first
    assert connection.execute("select status from runs where id = ?", (first,)).fetchone() == (
        "running",
    )


def test_the_end_of_a_run_is_recorded(connection, path):
    run = begin_run(connection, path, "a", "ingest")
    counts = {"rows_in": 9, **dict.fromkeys(schema.OUTCOMES, 1), "users": 2}
    end_run(connection, path, run, "completed", counts, {"read": 1.5})
    row = connection.execute(
        "select status, rows_in, accepted, failed, users, seconds, finished_at > started_at"
        " or finished_at = started_at from runs"
    ).fetchone()
    assert row == ("completed", 9, 1, 1, 2, json.dumps({"read": 1.5}), 1)


def test_the_same_content_is_the_same_file(connection, path):
    run = begin_run(connection, path, "a", "ingest")
    first = register_files(connection, path, [counted(path), counted(path, "bb")], run)
    later = begin_run(connection, path, "b", "ingest")
    renamed = FileCounts(path.with_name("other.csv"), "csv", "bb", 10)
    assert register_files(connection, path, [renamed], later) == first[1:]
    assert connection.execute("select name, reads, last_run from files order by id").fetchall() == [
        ("aa.csv", 1, run),
        ("bb.csv", 2, later),
    ]


def test_counts_of_the_last_read_are_kept(connection, path):
    run = begin_run(connection, path, "a", "ingest")
    file = counted(path, rows_in=9, duplicates=2, quarantined=1, skipped=4)
    file.exclude("outside_date_range", 2)
    file.exclude("outside_date_range", 1)
    file.exclude("not_in_users_file", 0)
    record_counts(connection, path, [file], register_files(connection, path, [file], run))
    assert connection.execute(
        "select rows_in, duplicates, quarantined, excluded, excluded_reasons, skipped from files"
    ).fetchall() == [(9, 2, 1, 3, '{"outside_date_range": 3}', 4)]


def test_quarantine_is_readable_and_stored_once(connection, path):
    run = begin_run(connection, path, "a", "ingest")
    files = [counted(path), counted(path, "bb")]
    numbers = register_files(connection, path, files, run)
    row = dict.fromkeys(schema.QUARANTINE.names, "x") | {"reason": "bad_number", "line": 7}
    rows = pa.Table.from_pylist(
        [row | {"file": 1}, row | {"file": 0}, row | {"file": 1, "line": 8}], schema.QUARANTINE
    )
    for _ in range(2):
        write_quarantine(connection, path, rows, files, numbers, run)
    assert connection.execute(
        "select file, line, reason, detail from quarantine order by file, line"
    ).fetchall() == [
        ("aa.csv", 7, "bad_number", "x"),
        ("bb.csv", 7, "bad_number", "x"),
        ("bb.csv", 8, "bad_number", "x"),
    ]


def test_a_run_that_an_erasure_ended_quarantines_nothing(connection, path):
    run = begin_run(connection, path, "a", "ingest")
    files = [counted(path)]
    numbers = register_files(connection, path, files, run)
    end_run(connection, path, run, "failed", {}, {})
    with pytest.raises(StoreError, match="run it again"):
        write_quarantine(connection, path, rows(0, 1), files, numbers, run)
    assert connection.execute("select count(*) from quarantine").fetchone() == (0,)


def test_nothing_of_a_refused_file_counts(path):
    file = counted(path, rows_in=9, quarantined=2, skipped=1)
    file.exclude("outside_date_range", 2)
    file.refuse()
    assert (file.rows_in, file.quarantined, file.skipped, file.excluded) == (0, 0, 0, {})
    assert file.refused


def rows(file, *lines):
    columns = {name: [None] * len(lines) for name in schema.QUARANTINE.names}
    columns |= {"file": [file] * len(lines), "line": list(lines), "reason": ["r"] * len(lines)}
    return pa.table(columns, schema=schema.QUARANTINE)


def test_what_can_be_used_by_now_leaves_the_quarantine(connection, path):
    files = [counted(path, "aa"), counted(path, "bb"), counted(path, "cc")]
    files[2].refuse()

    def read(*tables):
        run = begin_run(connection, path, f"run-{connection.total_changes}", "ingest")
        numbers = register_files(connection, path, files, run)
        store_quarantine(connection, path, iter(tables), files, numbers, run)
        return connection.execute("select file, line, run from quarantine order by 1, 2").fetchall()

    first = read(rows(0, 1, 2), rows(0, 3), rows(1, 7, 8))
    assert [row[:2] for row in first] == [
        ("aa.csv", 1), ("aa.csv", 2), ("aa.csv", 3), ("bb.csv", 7), ("bb.csv", 8),
    ]  # fmt: skip
    assert read(rows(0, 1, 2), rows(0, 3), rows(1, 7, 8)) == first
    assert read(rows(0, 1), rows(0, 3), rows(1, 8)) == [first[0], first[2], first[4]]
    files[0].refuse()  # this time nothing of it could be read: that says nothing of its rows
    assert read() == [first[0], first[2]]


def test_a_refused_file_leaves_no_line(connection, path):
    files = [counted(path, "aa"), counted(path, "bb")]
    files[0].refuse()
    run = begin_run(connection, path, "a", "ingest")
    numbers = register_files(connection, path, files, run)
    record_counts(connection, path, files, numbers)
    assert numbers[0] == 0
    assert connection.execute("select id, name from files").fetchall() == [(numbers[1], "bb.csv")]
