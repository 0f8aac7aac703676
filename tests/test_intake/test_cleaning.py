import threading
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_intake.rows import GOOD, RULES
from weightstream import schema
from weightstream.errors import InputError
from weightstream.intake.cleaning import Rules, clean, read_clean
from weightstream.readers import NO_DIALECT, Dialect, ReadOptions
from weightstream.readers.block import raw_table_of_rows

SYNGROWTH = Path(__file__).parents[3] / "shared/data/syngrowth_adult_weights.csv"


def judge(*changes, rules=RULES, dialect=NO_DIALECT):
    rows = [GOOD | change | {"line": number} for number, change in enumerate(changes, 2)]
    return clean(raw_table_of_rows(rows), rules, 3, dialect)


def reason(**change):
    cleaned = judge(change)
    return (cleaned.quarantine["reason"].to_pylist() or [None])[0]


def test_a_good_row():
    cleaned = judge({"unit": "[lb_av]", "weight": "176.40"})
    assert cleaned.quarantine.num_rows == 0
    assert cleaned.measurements.schema == schema.MEASUREMENT
    assert cleaned.measurements.to_pylist() == [
        {"user_id": "u1", "source": "scale", "time_us": 1706685120000000,
         "effective_at": "2024-01-31T07:12:00Z", "wall": "2024-01-31T07:12:00",
         "hour": pytest.approx(7.2), "weight_kg": 176.4 * 0.45359237, "amount": "176.4",
         "unit": "lb", "raw_weight": "176.40", "raw_unit": "[lb_av]",
         "raw_time": "2024-01-31 07:12", "record_id": None, "updated": None, "file": 3, "line": 2}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"user_id": None}, "missing_field"),
        ({"user_id": " "}, "missing_field"),
        ({"user_id": "a\0b"}, "missing_field"),
        ({"user_id": "x" * 1001}, "missing_field"),
        ({"source": "x" * 1001}, "missing_field"),
        ({"time": " NULL "}, "missing_field"),
        ({"weight": "null"}, "missing_field"),
        ({"unit": ""}, "missing_field"),
        ({"unit": "kg/m2"}, "not_body_weight"),
        ({"unit": "m2"}, "not_body_weight"),
        ({"unit": "furlong"}, "unknown_unit"),
        ({"weight": "nan"}, "bad_number"),
        ({"weight": "0"}, "bad_number"),
        ({"weight": "-80"}, "bad_number"),
        ({"weight": "inf"}, "bad_number"),
        ({"weight": "eighty"}, "bad_number"),
        ({"weight": "1e308", "unit": "st"}, "bad_number"),
        ({"time": "soon"}, "bad_timestamp"),
        ({"time": "2024-02-30"}, "bad_timestamp"),
        ({"time": "03/04/2024"}, "bad_timestamp"),
        ({"time": "1899-12-31"}, "too_old"),
        ({"time": "0025-03-01"}, "too_old"),
        ({"time": "1900-01-01"}, None),
        ({"time": "2024-06-02T00:00:00Z"}, None),
        ({"time": "2024-06-02T00:00:01Z"}, "future_timestamp"),
        ({"time": "9999-12-31"}, "future_timestamp"),
        ({"source": None}, None),
        ({"weight": "3"}, None),
        ({"weight": "900"}, None),
        ({"unit": "kg/m2", "weight": "", "time": "x"}, "missing_field"),
        ({"unit": "kg/m2", "weight": "0", "time": "x"}, "not_body_weight"),
        ({"unit": "xyz", "weight": "0", "time": "x"}, "unknown_unit"),
        ({"weight": "0", "time": "x"}, "bad_number"),
        ({"fault": "bad_timestamp", "time": None}, "bad_timestamp"),
    ],
)
def test_reasons_in_their_order(change, expected):
    assert reason(**change) == expected


def test_quarantined_rows_keep_their_cells_and_say_why():
    row = judge({"weight": "nan", "source": None}).quarantine.to_pylist()[0]
    assert row == {
        "reason": "bad_number", "detail": "'nan' is not a positive number", "user_id": "u1",
        "time": "2024-01-31 07:12", "source": None, "weight": "nan", "unit": "kg", "file": 3,
        "line": 2,
    }  # fmt: skip


def test_details_do_not_grow_with_the_cell_nor_tell_the_run():
    row = judge({"weight": "9" * 5000}).quarantine.to_pylist()[0]
    assert len(row["detail"]) < 100
    assert len(row["weight"]) == 1000
    other = Rules(started=datetime(2024, 6, 2, tzinfo=UTC))
    late = {"time": "2030-01-01"}
    assert judge(late).quarantine.equals(judge(late, rules=other).quarantine)


def test_several_missing_fields_are_all_named():
    row = judge({"user_id": None, "unit": None}).quarantine.to_pylist()[0]
    assert row["detail"] == "the row has no user and no unit"


@pytest.mark.parametrize("field", ["user_id", "source"])
@pytest.mark.parametrize("name", ["x" * 1001, "a\x07b"])
def test_a_name_that_cannot_be_kept_is_not_told_as_missing(field, name):
    row = judge({field: name}).quarantine.to_pylist()[0]
    assert row["detail"] == (
        f"the row has no {field.replace('_', ' ')} that can be kept, of 1 to 1,000 characters"
        " without control characters"
    )


def test_names_are_trimmed_and_empty_sources_unknown():
    cleaned = judge({"user_id": " u1 "}, {"source": "NULL"}, {"source": "unknown"}, {"source": " "})
    assert cleaned.measurements["user_id"].to_pylist() == ["u1"] * 4
    assert cleaned.measurements["source"].to_pylist() == ["scale"] + ["unknown"] * 3


def test_timezone_min_date_and_dialect():
    rules = Rules(RULES.started, timezone="Asia/Tokyo", min_date=date(2024, 1, 31))
    dialect = Dialect(decimal_comma=True, date_order="mdy")
    cleaned = judge(
        {"time": "02/01/2024", "weight": "80,5"},
        {"time": "2024-01-30"},
        rules=rules,
        dialect=dialect,
    )
    assert cleaned.measurements["effective_at"].to_pylist() == ["2024-02-01"]
    assert cleaned.measurements["time_us"].to_pylist() == [1706756400000000]
    assert cleaned.measurements["amount"].to_pylist() == ["80.5"]
    assert cleaned.quarantine["reason"].to_pylist() == ["too_old"]


def test_update_times_compare_as_texts():
    record = {"record_id": "7"}
    cleaned = judge(
        record | {"updated": "2024-02-01T00:30:00+01:00"},
        record | {"updated": "2024-01-31T23:30:00.5Z"},
        record | {"updated": "some day"},
    )
    assert cleaned.measurements["updated"].to_pylist() == [
        "2024-01-31T23:30:00.000000Z",
        "2024-01-31T23:30:00.500000Z",
        None,
    ]


cells = st.one_of(
    st.none(),
    st.sampled_from(
        ["u1", " u2", "NULL", "80", "80.0", "0", "nan", "kg", "lbs", "kg/m2", "x", "2024-01-31",
         "2024-01-31T07:12:33+01:00", "0001-01-01", "2030-01-01", "31.01.2024 07:12"]
    ),
    st.text(max_size=6),
)  # fmt: skip
raw_rows = st.lists(
    st.fixed_dictionaries(
        {name: cells for name in ("user_id", "time", "source", "weight", "unit")}
    ),
    max_size=25,
)


@settings(deadline=None)
@given(raw_rows)
def test_every_row_ends_in_exactly_one_table_alone_as_in_company(rows):
    rows = [row | {"line": number} for number, row in enumerate(rows, 2)]
    together = clean(raw_table_of_rows(rows), RULES, 0)
    lines = together.measurements["line"].to_pylist() + together.quarantine["line"].to_pylist()
    assert sorted(lines) == [row["line"] for row in rows]
    assert together.rows == len(rows)
    alone = [clean(raw_table_of_rows([row]), RULES, 0) for row in rows]
    for name in ("measurements", "quarantine"):
        expected = [row for one in alone for row in getattr(one, name).to_pylist()]
        assert repr(getattr(together, name).to_pylist()) == repr(expected)  # nan equals nan


def test_an_empty_block():
    cleaned = clean(schema.RAW.empty_table(), RULES, 0)
    assert cleaned.rows == 0
    assert cleaned.measurements.schema == schema.MEASUREMENT


def write(folder, body):
    path = folder / "w.csv"
    path.write_text("user_id,effectiveDateTime,source_type,weight,unit\n" + body)
    return path


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_reading_in_threads_keeps_the_order(tmp_path, threads):
    body = "".join(f"u{n % 7},2024-01-{n % 31 + 1:02},s,{n % 90},kg\n" for n in range(2000))
    options = ReadOptions(block_bytes=997)
    parts = list(read_clean(write(tmp_path, body), options, RULES, 0, threads))
    assert len(parts) > 20
    lines = pa.concat_tables([part.measurements for part in parts])["line"].to_pylist()
    assert lines == sorted(lines)
    assert sum(part.rows for part in parts) == 2000
    assert sum(part.quarantine.num_rows for part in parts) == sum(n % 90 == 0 for n in range(2000))


@pytest.mark.parametrize("startable", [0, 1])
def test_without_threads_the_result_is_the_same(tmp_path, monkeypatch, caplog, startable):
    path = write(tmp_path, "".join(f"u{n},2024-01-01 07:00,s,80,kg\n" for n in range(500)))
    options = ReadOptions(block_bytes=200)
    expected = [part.measurements for part in read_clean(path, options, RULES, 0)]
    start, started = threading.Thread.start, []

    def few(thread):
        if len(started) >= startable:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    found = [part.measurements for part in read_clean(path, options, RULES, 0)]
    assert pa.concat_tables(found).equals(pa.concat_tables(expected))
    assert "a thread cannot be started" in caplog.text


def test_what_fails_in_a_thread_is_raised_to_the_caller(tmp_path):
    path = write(tmp_path, "u1,03/04/2024,s,80,kg\n" * 100)
    with pytest.raises(InputError, match="day or the month"):
        list(read_clean(path, ReadOptions(block_bytes=100), RULES, 0))


def test_options_are_checked_and_used(tmp_path):
    path = write(tmp_path, "u1,2024-01-31 07:00,s,80,kg\n")
    with pytest.raises(InputError, match="'bananas' is not a known unit"):
        list(read_clean(path, ReadOptions(unit="bananas"), RULES, 0))
    (part,) = read_clean(path, ReadOptions(timezone="Asia/Tokyo"), RULES, 0)
    assert part.measurements["effective_at"].to_pylist() == ["2024-01-30T22:00:00Z"]


def test_real_rows_by_others_all_arrive():
    if not SYNGROWTH.exists():
        pytest.skip(f"{SYNGROWTH.name} lies outside the repository and is absent")
    parts = list(read_clean(SYNGROWTH, ReadOptions(), RULES, 0))
    table = pa.concat_tables([part.measurements for part in parts])
    assert table.num_rows == 27_104
    assert table["line"].to_pylist() == list(range(2, 27_106))
    assert len(table["user_id"].unique()) == 1938
    kg = table["weight_kg"].to_numpy()
    assert ((kg > 300).sum(), (kg < 20).sum()) == (48, 7)
    assert Counter(table["unit"].to_pylist()) == {"kg": 27_104}
