import json

import pytest

from weightstream.errors import InputError
from weightstream.readers import recognise

POINT = {
    "header": {
        "id": "h1",
        "user_id": "joe",
        "creation_date_time": "2024-02-01T00:00:00Z",
        "acquisition_provenance": {"source_name": "Scale"},
    },
    "body": {
        "body_weight": {"value": 80.50, "unit": "kg"},
        "effective_time_frame": {"date_time": "2024-01-31T07:12:33-08:00"},
    },
}


def test_a_data_point_with_header(save, cleaned):
    (row,) = cleaned(save(json.dumps(POINT))).measurements.to_pylist()
    fields = ("user_id", "wall", "amount", "source", "record_id", "updated")
    assert [row[name] for name in fields] == [
        "joe", "2024-01-31T07:12:33-08:00", "80.5", "Scale", "h1", "2024-02-01T00:00:00.000000Z",
    ]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1])
def test_lists_and_ndjson(save, cleaned, indent):
    other = {"body": {"body_height": {"value": 180, "unit": "cm"}}}
    listed = cleaned(save(json.dumps([POINT, other, POINT], indent=indent)))
    assert (listed.measurements["line"].to_pylist(), listed.skipped) == ([1, 3], 1)
    lines = cleaned(save("\n".join(json.dumps(one) for one in (POINT, other, POINT))))
    assert (lines.measurements["line"].to_pylist(), lines.skipped) == ([1, 3], 1)


@pytest.mark.parametrize("block_bytes", [7, 4 << 20])
def test_a_damaged_first_line_is_one_bad_record_whatever_the_blocks(save, cleaned, block_bytes):
    """Found by fuzzing: the second line, which shows that lines are objects, was cut."""
    path = save("\n".join([json.dumps(POINT)[:-9], json.dumps(POINT), json.dumps(POINT)]))
    result = cleaned(path, block_bytes=block_bytes)
    assert result.measurements["line"].to_pylist() == [2, 3]
    assert result.quarantine["line"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("interval", "wall"),
    [
        ({"start_date_time": "2024-01-31T07:00:00Z", "end_date_time": "2024-01-31T07:05:00Z"},
         "2024-01-31T07:00:00Z"),
        ({"start_date_time": "2024-01-31T07:00:00Z", "duration": {"value": 5, "unit": "min"}},
         "2024-01-31T07:00:00Z"),
        ({"end_date_time": "2024-01-31T07:05:00Z", "duration": {"value": 5, "unit": "min"}},
         "2024-01-31T07:00:00Z"),
        ({"start_date_time": "2024-01-31T07:00:00Z"}, None),
        ({"end_date_time": "2024-01-31T07:00:00Z"}, None),
        ({"end_date_time": "x", "duration": {"value": 5, "unit": "min"}}, None),
        ({"end_date_time": "2024-01-31", "duration": {"value": 9e99, "unit": "d"}}, None),
    ],
)  # fmt: skip
def test_intervals_need_two_of_three(save, cleaned, interval, wall):
    body = {"body_weight": {"value": 80, "unit": "kg"}}
    body["effective_time_frame"] = {"time_interval": interval}
    result = cleaned(save(json.dumps(body)), user="me")
    found = result.measurements["wall"].to_pylist() + result.quarantine["reason"].to_pylist()
    assert found == [wall or "bad_timestamp"]


def test_a_point_that_names_no_person_says_what_to_do(save, cleaned):
    (row,) = cleaned(save(json.dumps(POINT["body"]))).quarantine.to_pylist()
    assert (row["reason"], row["detail"]) == (
        "missing_field",
        "the record names no person; give --user",
    )


def test_fixtures_of_the_standard(shared, cleaned):
    passing = {
        "1.0/shouldPass/body-weight-only.json": "bad_timestamp",
        "1.0/shouldPass/date-time-time-frame.json": None,
        "1.0/shouldPass/time-interval-time-frame.json": None,
        "1.0/shouldPass/with-descriptive-statistic.json": "not_body_weight",
        "2.0/shouldPass/body-weight-only.json": None,
        "2.0/shouldPass/with-descriptive-statistic.json": "not_body_weight",
    }
    failing = {
        "1.0/shouldFail/invalid-descriptive-statistic.json": "not_body_weight",
        "1.0/shouldFail/invalid-time-frame.json": "not_body_weight",
        "1.0/shouldFail/invalid-time-interval.json": "not_body_weight",
        "1.0/shouldFail/invalid-unit.json": "not_body_weight",
        "1.0/shouldFail/missing-body-weight-unit.json": "missing_field",
        "1.0/shouldFail/missing-body-weight-value.json": "missing_field",
        "2.0/shouldFail/invalid-descriptive-statistic.json": "not_body_weight",
        "2.0/shouldFail/invalid-time-frame.json": "not_body_weight",
        "2.0/shouldFail/invalid-time-interval.json": "not_body_weight",
        "2.0/shouldFail/invalid-unit.json": "unknown_unit",
        "2.0/shouldFail/missing-body-weight-unit.json": "missing_field",
        "2.0/shouldFail/missing-body-weight-value.json": "missing_field",
    }
    folder = shared / "openmhealth"
    for name, reason in (passing | failing).items():
        assert recognise(folder / name) == "open_mhealth"
        result = cleaned(folder / name, user="me")
        assert result.rows == 1
        assert result.quarantine["reason"].to_pylist() == ([reason] if reason else []), name
    for version in ("1.0", "2.0"):
        with pytest.raises(InputError, match="in no format"):
            recognise(folder / version / "shouldFail/empty-document.json")
