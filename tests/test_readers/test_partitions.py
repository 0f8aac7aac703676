"""Data sets whose folders name columns, as Hive, Spark, DuckDB and PyArrow write them."""

from datetime import date

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import weightstream
from tests.running import run
from weightstream.errors import InputError
from weightstream.readers.block import ReadOptions
from weightstream.readers.columns import resolve
from weightstream.readers.table import table_of

ROWS = {
    "user_id": [7, 7, 8, None],
    "measured_at": ["2024-01-01T07:00:00Z", "2024-01-02T07:00:00Z", "2024-01-03T07:00:00Z", None],
    "weight_kg": [80.0, 80.1, 60.0, 70.0],
    "source": ["a b/c", "home", "a b/c", None],
}


def read(folder, **options):
    return pa.Table.from_pandas(weightstream.read(folder, **options), preserve_index=False)


@pytest.fixture(params=["parquet", "csv"])
def stored(request, tmp_path):
    """Write ROWS partitioned by columns; returns the folder."""

    def stored(*by, **others):
        table = pa.table({**ROWS, **others})
        kind = pa.schema([table.schema.field(name) for name in by])
        pa.dataset.write_dataset(
            table,
            tmp_path / "set",
            format=request.param,
            partitioning=pa.dataset.partitioning(kind, flavor="hive"),
        )
        return tmp_path / "set"

    return stored


@pytest.mark.parametrize("by", [["user_id"], ["source"], ["source", "user_id"]])
def test_columns_in_folders_are_as_good_as_in_files(stored, by):
    found = read(stored(*by)).sort_by("weight")
    expected = {name: ROWS[name] for name in ("user_id", "source")}
    order = [2, 3, 0, 1]
    assert found["source"].to_pylist() == [expected["source"][at] for at in order]
    assert found["user_id"].to_pylist() == ["8", None, "7", "7"]


def test_a_judged_file_is_the_same_however_rows_were_stored(stored, tmp_path):
    pq.write_table(pa.table(ROWS), tmp_path / "one.parquet")
    names = ["user_id", "source", "weight_kg", "verdict", "level_kg", "measurement_id"]
    judged = []
    for source in (tmp_path / "one.parquet", stored("source", "user_id")):
        done = run("clean", source, "-o", tmp_path / "out.parquet", "--overwrite")
        assert done.exit_code == 0, done.stderr
        judged.append(pq.read_table(tmp_path / "out.parquet", columns=names))
    assert "names of folders: 'source', 'user_id'" in done.stderr
    assert judged[0].equals(judged[1])


def test_a_time_in_the_file_goes_before_the_day_of_a_folder(stored):
    day = pa.array([date(2025, 6, 1)] * 4)
    found = read(stored("date", date=day))
    assert set(found["time"].drop_null().to_pylist()) == set(ROWS["measured_at"]) - {None}


def choice(names, row, folders, **options):
    return resolve(table_of("x", names, [row], ReadOptions(**options), folders=folders))


def test_what_a_file_does_not_have_its_folders_give():
    names, row = ["user_id", "time", "weight_kg"], ["a", "07:30:00", "80"]
    assert choice(names, row, {"date": "2024-01-31"}).time == (3, 1)
    assert choice(names[:1] + names[2:], ["a", "80"], {"dt": "2024-01-31"}).time == (2,)
    row = ["a", "2024-01-31T07:30:00Z", "80"]
    assert choice(names, row, {"source": "clinic", "year": "2024"}).roles["source"] == 3
    assert choice(names, row, {"person": "b"}).roles["user_id"] == 0
    assert choice(names, row, {"person": "b"}, named={"user_id": "person"}).roles["user_id"] == 3
    units = ["user_id", "time", "weight"]
    assert choice(units, row, {"unit": "lb"}).unit == (3,)


def test_a_person_is_named_once():
    names, row = ["time", "weight_kg"], ["2024-01-31T07:30:00Z", "80"]
    assert "user_id" not in choice(names, row, {"user": "a"}, user="a").roles
    with pytest.raises(InputError, match="leave --user out"):
        choice(names, row, {"user": "b"}, user="a")
