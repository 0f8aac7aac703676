import csv
import json
import math
import os
import sqlite3

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.running import configured
from weightstream.config_file import load
from weightstream.errors import ConfigError, StoreError
from weightstream.outputs.exports.decisions import current_decisions, export, export_store
from weightstream.outputs.exports.forms import form
from weightstream.readers.table import BLANKS
from weightstream.schema import EXPORT


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    """Two persons; one is called so that every format has to quote."""
    data_dir = fresh_dir()
    odd = 'Ann "Q", Ö\'Neil'
    rows = [(odd, f"2024-01-{day:02}T07:00:00Z", f"{80 + day / 9:.3f}") for day in range(1, 9)]
    rows += [("b", "2024-01-05", "7", "st", 'a "scale", mine'), ("b", "2024-01-06", "9999", "kg")]
    store_files(data_dir, csv_of(*rows))
    return data_dir


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(row):
    return {
        name: None if not value else value if EXPORT.field(name).type == "string" else float(value)
        for name, value in row.items()
    }


def test_every_format_says_the_same(store, tmp_path):
    for ending in ("csv", "parquet", "ndjson"):
        assert export_store(configured(store), tmp_path / f"out.{ending}") == 10
    from_csv = read_csv(tmp_path / "out.csv")
    from_parquet = pq.read_table(tmp_path / "out.parquet")
    from_ndjson = [json.loads(line) for line in (tmp_path / "out.ndjson").open(encoding="utf-8")]
    assert list(from_csv[0]) == list(from_ndjson[0]) == EXPORT.names
    assert from_parquet.schema == EXPORT
    assert from_parquet.to_pylist() == from_ndjson
    assert [numbers(row) for row in from_csv] == from_ndjson


def test_one_row_per_measurement_with_what_was_received(store, tmp_path):
    export_store(configured(store), tmp_path / "out.ndjson", "b")
    first, second = map(json.loads, (tmp_path / "out.ndjson").open(encoding="utf-8"))
    assert first["raw_weight"] == "7"
    assert first["raw_unit"] == "st"
    assert first["weight_kg"] == 7 * 14 * 0.45359237
    assert first["effective_at"] == "2024-01-05"
    assert first["source"] == 'a "scale", mine'
    assert (first["line"], second["line"]) == (10, 11)
    assert (first["expected_kg"], first["expected_lo_kg"]) == (None, None)
    assert second["verdict"] == "rejected"
    assert second["reason"] == "implausible"
    assert "9999.0 is not a possible body weight" in second["explanation"]
    assert second["explanation"].endswith("probability above 0.999")
    assert first["explanation"] is None
    assert {first["stage"], first["model"], first["version"]} == {"causal", "prior-1", 1}
    assert first["file"].endswith(".csv")
    with sqlite3.connect(store / "weightstream.db") as connection:
        assert connection.execute("select run_id from runs").fetchall() == [(first["run_id"],)]
    connection.close()


def test_intervals_enclose_what_they_belong_to(store, tmp_path):
    export_store(configured(store), tmp_path / "out.ndjson")
    rows = [json.loads(line) for line in (tmp_path / "out.ndjson").open(encoding="utf-8")]
    known = [row for row in rows if row["expected_kg"] is not None]
    assert len(known) == 8
    for row in known:
        assert row["expected_lo_kg"] < row["expected_kg"] < row["expected_hi_kg"]
        assert row["level_lo_kg"] < row["level_kg"] < row["level_hi_kg"]


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "csv"])
def test_other_endings_are_refused(store, tmp_path, name):
    with pytest.raises(ConfigError, match=r"must end in \.csv, \.parquet, \.ndjson"):
        export_store(configured(store), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_file_appears_when_it_is_complete(store, tmp_path, ending, monkeypatch):
    out = tmp_path / f"out.{ending}"
    out.write_text("as it was")

    def breaks_off(*arguments):
        yield from current_decisions(*arguments)
        assert out.read_text() == "as it was"
        raise KeyboardInterrupt

    monkeypatch.setattr("weightstream.outputs.exports.decisions.current_decisions", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        export_store(configured(store), out)
    assert out.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_place_that_cannot_be_written(store, tmp_path, ending):
    with pytest.raises(ConfigError) as raised:
        export_store(configured(store), tmp_path / "no" / f"out.{ending}")
    assert str(raised.value).endswith("cannot be written (No such file or directory)")


def test_what_is_no_file_is_not_replaced(store, tmp_path):
    """Not by root either: a pipe, and what stands for a device, stay what they are."""
    pipe, link = tmp_path / "pipe.csv", tmp_path / "link.csv"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "far.csv")
    with pytest.raises(ConfigError, match="is a device or a pipe; name a file"):
        export_store(configured(store), pipe)
    assert pipe.is_fifo()
    assert export_store(configured(store), link) == 10
    assert link.is_symlink()
    assert len(read_csv(tmp_path / "far.csv")) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far.csv", "link.csv", "pipe.csv"]


def test_an_unknown_person_or_store(store, tmp_path):
    with pytest.raises(ConfigError, match="no person called 'z'"):
        export_store(configured(store), tmp_path / "out.csv", "z")
    (tmp_path / "file").write_text("")
    for place in ("nothing", "file/data"):
        with pytest.raises(StoreError, match="no store yet"):
            export_store(configured(tmp_path / place), tmp_path / "out.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_store_without_decisions(store_files, csv_of, fresh_dir, tmp_path, ending):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("a", "2024-01-01", "80")), settings={"data": {"min_readings": 2}})
    assert export_store(configured(data_dir), tmp_path / f"out.{ending}") == 0
    if ending == "csv":
        assert read_csv(tmp_path / "out.csv") == []
        assert len((tmp_path / "out.csv").read_text().splitlines()) == 1


def test_ties_are_ordered_by_source_and_weight(store_files, csv_of, fresh_dir):
    time = "2024-01-05T12:00:00+00:00"
    data_dir = fresh_dir()
    rows = [
        ("a", time, "81", "kg", "b"),
        ("a", time, "80", "kg", "b"),
        ("a", time, "82", "kg", "A"),
        ("a", "2024-01-05", "79", "kg", "b"),  # 12:00 local
        ("a", "2024-01-05T14:00:00+02:00", "80.5", "kg", "b"),
        ("a", "2024-01-05T11:59:59Z", "99", "kg", "z"),
        ("B", "2024-01-09", "70"),
    ]
    store_files(data_dir, csv_of(*rows))
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        (table,) = current_decisions(connection, "UTC")
    connection.close()
    assert table["user_id"].to_pylist() == ["B"] + ["a"] * 6
    assert table["weight_kg"].to_pylist() == [70, 99, 82, 79, 80, 80.5, 81]


@pytest.mark.parametrize(
    ("timezone", "order"), [("UTC", [80, 81, 82]), ("America/New_York", [80, 82, 81])]
)
def test_a_date_alone_stands_at_noon_local(store_files, csv_of, fresh_dir, timezone, order):
    data_dir = fresh_dir()
    rows = [
        ("a", "2024-01-05T11:00:00Z", "80"),
        ("a", "2024-01-05", "81"),
        ("a", "2024-01-05T15:00:00Z", "82"),
    ]
    store_files(data_dir, csv_of(*rows), settings={"data": {"timezone": timezone}})
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        (table,) = current_decisions(connection, timezone)
    connection.close()
    assert table["weight_kg"].to_pylist() == order


def test_more_persons_than_are_read_at_a_time(store, tmp_path, monkeypatch):
    monkeypatch.setattr("weightstream.outputs.exports.decisions.USERS_AT_A_TIME", 1)
    export_store(configured(store), tmp_path / "one.csv")
    monkeypatch.undo()
    export_store(configured(store), tmp_path / "all.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "all.csv").read_bytes()


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda text: text.casefold() not in {*BLANKS, "#n/a", "<na>", "nat"}
)


@settings(max_examples=20)
@given(NAMES, NAMES, st.floats(1e-3, 1e4))
def test_any_text_and_number_survives_the_csv(
    store_files, csv_of, fresh_dir, tmp_path_factory, user, source, kg
):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of((user, "2024-01-05", repr(kg), "kg", source)))
    out = tmp_path_factory.mktemp("out") / "out.csv"
    export_store(configured(data_dir), out)
    (row,) = read_csv(out)
    assert (row["user_id"], row["source"]) == (user, source)
    assert math.isclose(float(row["weight_kg"]), kg, rel_tol=0, abs_tol=0)


def test_export_takes_named_persons(store, tmp_path):
    with sqlite3.connect(store / "weightstream.db") as connection:
        assert export(connection, tmp_path / "out.csv", "UTC", ["b", "nobody"]) == 2
    connection.close()


def test_ids_that_a_spreadsheet_would_compute_get_an_apostrophe(store_files, csv_of, data_dir):
    store_files(data_dir, csv_of(("=cmd|x", "2024-01-01", "80"), ("-5", "2024-01-01", "80")))
    config = load(None, {("data", "data_dir"): str(data_dir)}).config
    out = data_dir / "safe.csv"
    export_store(config, out, write=form(out, for_excel=True))
    with out.open(newline="") as file:
        assert sorted(row["user_id"] for row in csv.DictReader(file)) == ["'=cmd|x", "-5"]
