"""export --raw: the store as it was received."""

import pandas as pd
import pytest

from tests.running import configured
from weightstream.outputs.exports.decisions import export_store
from weightstream.outputs.exports.received import RECEIVED, export_received

HEADER = ("user_id", "effectiveDateTime", "weight", "unit", "source_type", "id")
ROWS = [
    ("b", "2024-01-31T07:12:33.50+01:00", "80.50", "KG", "my, \"scale\"", "r1"),
    ("a", "2024-02-01", "176", "[lb_ap]", "s", ""),
    ("a", "31.01.2024 07:00", "080", "kg", "", "r2"),
    ("a", "2024-02-01", "23", "kg/m2", "s", "r3"),
    ("", "soon", "x", "", "s", "r4"),
    (" b ", "soon", "80", "kg", "s", "r5"),
]  # fmt: skip


def raw_export(data_dir, path, user=None):
    export_store(configured(data_dir), path, user, export_received)
    return path


@pytest.fixture(scope="module")
def store(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*ROWS, header=HEADER))
    return data_dir


def test_every_row_with_its_cells_as_written(store, tmp_path):
    frame = pd.read_parquet(raw_export(store, tmp_path / "out.parquet"))
    assert list(frame.columns) == RECEIVED.names
    cells = ["user_id", "effectiveDateTime", "weight", "unit", "source_type", "line"]
    found = frame[cells].fillna("").to_numpy().tolist()
    expected = [[*row[:5], line] for line, row in enumerate(ROWS, 2)]
    expected[2][4] = "unknown"
    assert found == [expected[n] for n in (2, 1, 0, 3, 4, 5)]
    assert frame["quarantined_as"].to_list()[3:] == [
        "not_body_weight", "missing_field", "bad_timestamp"
    ]  # fmt: skip
    assert frame["id"].fillna("").to_list()[:3] == ["r2", "", "r1"]
    assert frame["measurement_id"].notna().to_list() == [True] * 3 + [False] * 3


def test_one_persons_copy(store, tmp_path):
    frame = pd.read_csv(raw_export(store, tmp_path / "out.csv", "b"))
    assert frame["line"].to_list() == [2, 7]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_read_again_it_gives_the_same_store(
    store_files, simulated, fresh_dir, exported, tmp_path, ending
):
    first, again = fresh_dir(), fresh_dir()
    before = store_files(first, simulated(12, 900))
    path = raw_export(first, tmp_path / f"out.{ending}")
    after = store_files(again, path)
    assert exported(again) == exported(first)
    assert after.outcomes["quarantined"] == before.outcomes["quarantined"] > 0
    frames = [
        pd.read_parquet(raw_export(data_dir, tmp_path / f"{n}.parquet"))
        for n, data_dir in enumerate((first, again))
    ]
    aside = ["file", "line", "id"]
    pd.testing.assert_frame_equal(*(frame.drop(columns=aside) for frame in frames))


def test_a_person_with_quarantined_rows_alone_has_a_copy(store_files, csv_of, fresh_dir, tmp_path):
    data_dir = fresh_dir()
    rows = [(name, "2024-01-01", "heavy") for name in ("Ann-1", "Ann-1\t", "\u2028Ann-1")]
    store_files(data_dir, csv_of(*rows, ("Bob-1", "2024-01-01", "80")))
    frame = pd.read_parquet(raw_export(data_dir, tmp_path / "out.parquet", "Ann-1"))
    assert frame["line"].to_list() == [2, 3, 4]


def test_a_reading_that_was_assigned_away_is_in_the_copy_of_all(
    store, fresh_dir, csv_of, store_files, decide, rows_of, tmp_path
):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("a", "2024-01-01", "80"), ("b", "2024-01-01", "81")))
    ((which,),) = rows_of(data_dir, "select measurement_id from measurements where user_id = 'a'")
    decide(data_dir, which, "assign", "b")
    frame = pd.read_parquet(raw_export(data_dir, tmp_path / "out.parquet"))
    assert frame["user_id"].to_list() == ["a", "b"]
