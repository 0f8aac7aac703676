"""What is deleted of a person, and that no table is forgotten."""

import re
import sqlite3

import pytest

from weightstream.errors import RunsUnderWay, StoreError
from weightstream.store.connection import STORE_NAME, open_writer
from weightstream.store.erasing import PERSON_COLUMNS, delete_person, holds_id, rows_of, scrub
from weightstream.store.runs import begin_run
from weightstream.store.writing import check_running

PERSON = re.compile(r"user|person|patient|assigned", re.IGNORECASE)
NO_PERSON = {("runs", "users")}  # a count


@pytest.fixture
def connection(data_dir):
    with open_writer(data_dir) as connection:
        yield connection


def test_every_column_with_a_person_is_known_to_erasure(connection):
    tables = [
        name
        for (name,) in connection.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        )
    ]
    found = {
        (table, column)
        for table in tables
        for (_, column, *_) in connection.execute(f"pragma table_info({table})")
        if PERSON.search(column)
    }
    covered = {(table, column) for table, columns in PERSON_COLUMNS.items() for column in columns}
    assert found - NO_PERSON == covered


@pytest.mark.parametrize(
    ("name", "user_id", "held"),
    [
        ("weights-Ann.csv", "Ann", True),  # short: as a word
        ("Annual.csv", "Ann", False),
        ("weights-1.csv", "1", True),
        ("weights-12.csv", "1", False),
        ("xP00017y.csv", "P00017", True),
        ("p00017.csv", "P00017", False),
        ("a.b.csv", "a.b", True),
        ("aXb.csv", "a.b", False),
    ],
)
def test_a_name_that_holds_an_id(name, user_id, held):
    assert holds_id(name, user_id) == held


def quarantined(connection, **cells):
    row = {"file_id": 1, "line": connection.total_changes, "file": "f.csv", "reason": "r", **cells}
    connection.execute(
        f"insert into quarantine ({', '.join(row)}) values ({', '.join('?' * len(row))})",
        list(row.values()),
    )


def test_quarantine_holds_ids_as_they_were_written(connection, data_dir):
    connection.execute("insert into files (id, sha256, name) values (1, 'x', 'of Ann-1.csv')")
    for user in (" Ann-1", "Ann-1\u00a0", "Ann-1", "ann-1", "Ann-12", None):
        quarantined(connection, user_id=user)
    quarantined(connection, user_id=None, weight=" Ann-1 ")
    quarantined(connection, user_id="2024-01-01", time="Ann-1\u2028")  # a cell too few before
    quarantined(connection, user_id=None, source="scale of Ann-1, bathroom")
    connection.execute(
        "insert into users (user_id, revision, dirty, readings, rejected, first_us, last_us) "
        "values ('Bob', 1, 0, 1, 0, 0, 0)"
    )
    quarantined(connection, user_id="Bob", source="Ann-1", detail=r"'\u2028Ann-1' is no unit")
    assert rows_of(connection, "Ann-1") == {"quarantine": 6}
    delete_person(connection, data_dir / STORE_NAME, "Ann-1", "token", "check")
    kept = [tuple(row) for row in connection.execute("select user_id, source from quarantine")]
    left = "select count(*) from quarantine where instr(detail, 'Ann-1')"
    assert connection.execute(left).fetchone() == (0,)
    assert kept == [("ann-1", None), ("Ann-12", None), (None, None), ("Bob", "erased")]
    assert connection.execute("select name from files").fetchall() == [("of erased.csv",)]


def test_a_run_under_way_cannot_write_after_an_erasure(connection, data_dir):
    path = data_dir / STORE_NAME
    run = begin_run(connection, path, "a", "ingest")
    check_running(connection, path, run)
    delete_person(connection, path, "Ann-1", "token", "check")
    with pytest.raises(StoreError, match="run it again"):
        check_running(connection, path, run)


def test_a_reader_that_keeps_old_pages_is_said(connection, data_dir):
    path = data_dir / STORE_NAME
    connection.execute("insert into settings (key, value) values ('a', 'Zyzzyva')")
    with sqlite3.connect(path) as reader:
        reader.execute("begin")
        reader.execute("select * from settings").fetchall()
        connection.execute("delete from settings")
        connection.execute("pragma busy_timeout = 10")
        with pytest.raises(RunsUnderWay, match="close that program"):
            scrub(connection, path, 0)
    reader.close()
    scrub(connection, path, 0)
    assert b"Zyzzyva" not in path.read_bytes()
    assert (data_dir / f"{STORE_NAME}-wal").stat().st_size == 0
