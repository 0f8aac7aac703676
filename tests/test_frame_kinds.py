"""Frames as notebooks have them: named indexes, other libraries, odd types."""

import pandas as pd
import pyarrow as pa
import pytest

import weightstream
from weightstream.errors import ConfigError, InputError

ROWS = [("a", f"2024-01-{day:02}T07:00:00Z", 80.0 + day / 50, "kg") for day in range(1, 21)]


def frame_of(*rows):
    return pd.DataFrame(list(rows), columns=["user_id", "time", "weight", "unit"])


def test_several_files_are_read_as_one_frame(csv_of):
    files = [csv_of((user, "2024-01-01T07:00:00Z", "80")) for user in ("a", "b")]
    both = weightstream.read(files)
    assert both["user_id"].to_list() == ["a", "b"]
    assert both["file"].to_list() == [str(file) for file in files]


def test_an_order_of_dates_that_does_not_exist_is_refused(tmp_path):
    for ask in (lambda: weightstream.clean(frame_of(*ROWS), date_order="ddmm"),
                lambda: weightstream.read(tmp_path, date_order="ddmm")):  # fmt: skip
        with pytest.raises(ConfigError, match="dmy, mdy"):
            ask()


def test_named_levels_of_an_index_are_columns():
    plain = frame_of(*ROWS)
    expected = weightstream.clean(plain)
    for levels in (["time"], ["user_id", "time"]):
        found = weightstream.clean(plain.set_index(levels))
        assert list(found.index) == list(plain.set_index(levels).index)
        pd.testing.assert_frame_equal(found.reset_index(drop=True), expected)
    beside = plain.set_index("time", drop=False)  # the column is meant, not read twice
    assert weightstream.clean(beside)["outcome"].to_list() == expected["outcome"].to_list()


def test_two_columns_of_one_name_are_one_sentence():
    frame = frame_of(*ROWS)
    twice = pd.concat([frame, frame[["unit"]]], axis=1)
    with pytest.raises(InputError, match=r"several columns of one name.*unit") as caught:
        weightstream.clean(twice)
    assert "\n" not in str(caught.value)


def test_rows_behind_arrows_c_interface_come_back_as_an_arrow_table():
    frame = frame_of(*ROWS)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    expected = weightstream.clean(table)
    duckdb = pytest.importorskip("duckdb")
    relation = duckdb.sql("SELECT * FROM frame")
    for given in (table.to_batches()[0], table.to_reader(), relation):
        assert weightstream.clean(given, keep="unit").drop_columns("unit").equals(expected)
    kept = weightstream.summary(
        pa.RecordBatchReader.from_batches(expected.schema, expected.to_batches())
    )
    assert kept.equals(weightstream.summary(expected))
    with pytest.raises(InputError, match="a Series is not a frame"):
        weightstream.clean(frame["weight"])


def test_a_duration_is_no_instant():
    """As text its number would be microseconds since 1970."""
    days = pd.to_timedelta(range(20_000, 20_003), unit="D")
    frame = pd.DataFrame({"user_id": "a", "time": days, "weight_kg": 80.0})
    for given in (frame, pa.Table.from_pandas(frame)):
        outcome = weightstream.clean(given)["outcome"]
        assert (outcome.tolist() if given is frame else outcome.to_pylist()) == ["quarantined"] * 3
