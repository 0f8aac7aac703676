"""Sources that are no files: queries and Delta tables."""

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import weightstream
from weightstream.cli_files import cli
from weightstream.errors import ConfigError, InputError
from weightstream.readers import databases
from weightstream.readers.databases import with_query, write_texts

QUERY = (
    "SELECT person AS user_id, at AS time, kg AS weight, 'kg' AS unit FROM t WHERE at < '2024:9'"
)


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "clinic.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (person, at, kg)")
        rows = [("a", f"2024-01-{day:02}", 80.0 + day / 10) for day in range(1, 6)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [*rows, ("a", "2024:9", 1)])
    connection.close()
    return f"sqlite:///{path}"


def clean(*arguments, status=0):
    done = CliRunner().invoke(cli, ["clean", *map(str, arguments)])
    assert done.exit_code == status, done.stderr
    return done


def test_what_a_query_gives_is_judged(database, tmp_path):
    out = tmp_path / "out.parquet"
    done = clean(database, "--query", QUERY, "-o", out)
    rows = pq.read_table(out).to_pylist()
    assert [row["weight_kg"] for row in rows] == [80.1, 80.2, 80.3, 80.4, 80.5]
    assert rows[0]["file"] == database
    assert "SELECT" not in done.stderr + done.stdout  # it may name a person


def test_a_query_may_stand_in_the_url(database):
    (source,) = with_query([database], QUERY)
    assert len(weightstream.read(source)) == 5
    assert with_query([source], None) == [source]


def test_rows_come_in_parts(monkeypatch, database, tmp_path):
    sizes = []

    def counted(place, names, parts):
        write_texts(place, names, (sizes.append(len(rows)) or rows for rows in parts))

    monkeypatch.setattr(databases, "_ROWS", 2)
    monkeypatch.setattr(databases, "write_texts", counted)
    clean(database, "--query", QUERY, "-o", tmp_path / "out.csv")
    assert sizes == [2, 2, 1]


def test_values_are_written_as_files_have_them(tmp_path):
    values = [
        None, "x", Decimal("80.50"), 80.5, date(2024, 1, 2), b"a",
        datetime(2024, 1, 2, 7, 30, tzinfo=UTC), datetime(2024, 1, 2, 7, 30),
    ]  # fmt: skip
    write_texts(tmp_path / "a.parquet", ["v"], [[(value,) for value in values]])
    assert pq.read_table(tmp_path / "a.parquet")["v"].to_pylist() == [
        None, "x", "80.50", "80.5", "2024-01-02", "a", "2024-01-02T07:30:00+00:00",
        "2024-01-02T07:30:00",
    ]  # fmt: skip
    with pytest.raises(InputError, match="two columns called 'v'"):
        write_texts(tmp_path / "a.parquet", ["v", "v"], [])


@pytest.mark.parametrize(
    ("query", "words"),
    [("SELECT x FROM t", "no such column"), ("SELECT kg FROM t", "no column for user")],
)
def test_a_query_that_fails_is_one_sentence(database, tmp_path, query, words):
    done = clean(database, "--query", query, "-o", tmp_path / "out.csv", status=2)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    done = clean(
        f"sqlite:///{tmp_path}/no.db", "--query", QUERY, "-o", tmp_path / "o.csv", status=2
    )
    assert "no.db does not exist" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_query_and_a_query_without_a_database():
    with pytest.raises(ConfigError, match="host/db is a database; give an SQL query with --query"):
        with_query(["postgresql://me:secret@host/db"], None)
    with pytest.raises(ConfigError, match="--query is for"):
        with_query(["weights.csv"], QUERY)


def test_a_driver_that_is_not_installed_is_named(tmp_path):
    done = clean("mysql+nodriver://h/d", "--query", "SELECT 1", "-o", tmp_path / "o.csv", status=2)
    assert "mysql" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_delta_table_is_read_as_it_stands_now(tmp_path):
    deltalake = pytest.importorskip("deltalake")
    rows = pa.table({
        "user_id": ["a", "a"], "date": ["2024-01-01", "2024-01-02"], "weight_kg": [80.0, 80.2],
        "source": ["scale", "clinic"],
    })  # fmt: skip
    folder = tmp_path / "weights"
    deltalake.write_deltalake(folder, rows, partition_by=["source"])
    deltalake.write_deltalake(folder, rows.slice(0, 1), mode="overwrite")
    assert len(list(folder.rglob("*.parquet"))) == 3  # the old files are still there
    out = tmp_path / "out.parquet"
    clean(folder, "-o", out)
    (row,) = pq.read_table(out).to_pylist()
    assert (row["source"], row["weight_kg"]) == ("scale", 80.0)
    (folder / "_delta_log" / "00000000000000000000.json").write_text("{")
    (folder / "_delta_log" / "00000000000000000001.json").unlink()
    done = clean(folder, "-o", tmp_path / "x.csv", status=2)
    assert "cannot be read as a Delta table" in done.stderr
