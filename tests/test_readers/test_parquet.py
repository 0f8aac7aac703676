from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from weightstream.errors import InputError
from weightstream.readers import recognise

TIME = datetime(2024, 1, 31, 7, 12, 33)


@pytest.fixture
def stored(tmp_path):
    def stored(**columns):
        path = tmp_path / "weights.parquet"
        parquet.write_table(pa.table(columns), path, row_group_size=3)
        return path

    return stored


def test_texts_as_in_csv(stored, cleaned):
    columns = {"user_id": "u1", "time": "x", "Weight": "80.50", "unit": "kg"}
    times = ["2024-01-31T07:12:33"] * 7
    path = stored(effectiveDateTime=times, **{name: [text] * 7 for name, text in columns.items()})
    assert recognise(path) == "parquet"
    result = cleaned(path)
    assert result.measurements["line"].to_pylist() == list(range(1, 8))
    assert result.measurements["amount"][0].as_py() == "80.5"


@pytest.mark.parametrize(
    ("times", "wall"),
    [
        (pa.array([TIME], pa.timestamp("ns")), "2024-01-31T07:12:33"),
        (pa.array([TIME.replace(tzinfo=UTC)], pa.timestamp("ms", "Europe/Oslo")),
         "2024-01-31T07:12:33Z"),
        (pa.array([date(2024, 1, 31)]), "2024-01-31"),
    ],
)  # fmt: skip
def test_types_of_times(stored, cleaned, times, wall):
    path = stored(user_id=[1], timestamp=times, weight_kg=[80.5])
    (row,) = cleaned(path).measurements.to_pylist()
    assert (row["user_id"], row["wall"], row["unit"]) == ("1", wall, "kg")


@pytest.mark.parametrize(
    ("weights", "amount"),
    [
        (pa.array([80.1]), "80.1"),
        (pa.array([80.1], pa.float32()), "80.1"),
        (pa.array([80]), "80"),
        (pa.array([Decimal("80.10")]), "80.1"),
        (pa.array(["80.1"]).dictionary_encode(), "80.1"),
    ],
)
def test_types_of_weights(stored, cleaned, weights, amount):
    path = stored(user_id=["a"], date=["2024-01-31"], weight=weights, unit=["kg"])
    assert cleaned(path).measurements["amount"].to_pylist() == [amount]


def test_missing_values_and_types_that_are_no_weight(stored, cleaned):
    path = stored(user_id=["a"] * 3, date=["2024-01-31"] * 3, weight=[None, float("nan"), -1.0],
                  unit=["kg"] * 3)  # fmt: skip
    reasons = cleaned(path).quarantine["reason"].to_pylist()
    assert reasons == ["missing_field", "missing_field", "bad_number"]
    path = stored(user_id=["a"], date=["2024-01-31"], weight=[[80]], unit=["kg"])
    assert cleaned(path).quarantine["reason"].to_pylist() == ["bad_number"]


def test_files_that_cannot_be_used(stored, cleaned, save):
    path = stored(user_id=["a"], where=["Oslo"], weight=[80], unit=["kg"])
    with pytest.raises(InputError, match="no column for time"):
        cleaned(path)
    with pytest.raises(InputError, match="damaged"):
        cleaned(save(path.read_bytes()[:-20], "cut.parquet"))
    with pytest.raises(InputError, match="damaged"):
        cleaned(save(path.read_bytes().replace(b"user_id", b"user\xb7id"), "names.parquet"))


def test_names_with_spaces_and_quotes_and_two_of_one_name(cleaned, tmp_path):
    arrays = [["a", "b"], ["2024-01-31"] * 2, [80.5, 60.5], [24.0, 23.0], ["kg", "kg"]]
    names = [" user_id", "'date'", 'Weight "', "note", "unit "]
    path = tmp_path / "odd.parquet"
    parquet.write_table(pa.table([pa.array(one) for one in arrays], names), path)
    rows = cleaned(path).measurements.to_pylist()
    assert [(row["user_id"], row["weight_kg"]) for row in rows] == [("a", 80.5), ("b", 60.5)]
    names[2:4] = ["weight", "weight"]
    parquet.write_table(pa.table([pa.array(one) for one in arrays], names), path)
    with pytest.raises(InputError, match="several columns called 'weight'"):
        cleaned(path)


@pytest.mark.parametrize("kind", [pa.binary(16), pa.uuid()])
def test_uuids_are_told_apart_even_where_their_bytes_are_texts(cleaned, tmp_path, kind):
    ids = [bytes([number] * 16) for number in (1, 65)]
    columns = {"user_id": pa.array(ids, kind), "date": ["2024-01-31"] * 2}
    path = tmp_path / "uuids.parquet"
    parquet.write_table(pa.table(columns | {"weight_kg": [80, 81]}), path)
    rows = cleaned(path).measurements.to_pylist()
    assert [row["user_id"] for row in rows] == [one.hex() for one in ids]


def test_texts_that_are_no_utf8(stored, cleaned, save):
    path = stored(user_id=["abcdefgh"], date=["2024-01-31"], weight=[80], unit=["kg"])
    content = path.read_bytes().replace(b"abcdefgh", b"abc\xb7efgh")
    (row,) = cleaned(save(content, "texts.parquet")).measurements.to_pylist()
    assert row["user_id"] == b"abc\xb7efgh".hex()
