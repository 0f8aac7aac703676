"""JSON of apps and their interfaces: what else one document may hold than the weighings."""

import json

import pytest

from weightstream.errors import InputError
from weightstream.readers import recognise

POINT = {"date": "2024-01-01 07:00:00 +0100", "qty": 176.4, "source": "Scale"}
EXPORT = {
    "data": {
        "metrics": [
            {"name": "heart_rate", "units": "count/min", "data": [{"Avg": 60}, {"Avg": 61}]},
            {"name": "lean_body_mass", "units": "lb", "data": [POINT | {"qty": 140}]},
            {"name": "weight_body_mass", "units": "lb", "data": [POINT, POINT | {"qty": "?"}]},
        ]
    }
}


def test_health_auto_export(save, cleaned):
    for content in (EXPORT, [EXPORT]):
        path = save(json.dumps(content))
        assert recognise(path) == "health_auto_export"
        result = cleaned(path, user="me")
        (row,) = result.measurements.to_pylist()
        found = [row[name] for name in ("wall", "amount", "unit", "source", "line")]
        assert found == ["2024-01-01T07:00:00+01:00", "176.4", "lb", "Scale", 4]
        assert result.quarantine["reason"].to_pylist() == ["bad_number"]
        assert (result.skipped, result.others) == (3, {"lean_body_mass": 1})


def test_health_auto_export_of_several_days_on_lines(save, cleaned):
    lines = [json.dumps(EXPORT), '{"data": {"metrics": [', json.dumps(EXPORT)]
    result = cleaned(save("\n".join(lines)), user="me")
    assert result.measurements["line"].to_pylist() == [4, 9]
    assert [row["detail"] for row in result.quarantine.to_pylist()] == [
        "'?' is not a positive number",
        "'?' is not a positive number",
        "the line is not a complete JSON object",
    ]


def test_health_auto_export_without_weights_is_no_fault(save, cleaned):
    assert cleaned(save('{"data": {"metrics": []}}'), user="me").rows == 0
    with pytest.raises(InputError, match="give --user"):
        cleaned(save(json.dumps(EXPORT)))


def test_health_connect_of_apps(save, cleaned):
    record = {
        "weight": {"inGrams": 80500, "inKilograms": 80.5, "inPounds": 177.5},
        "time": "2024-01-31T06:12:33Z",
        "metadata": {
            "id": "r1", "dataOrigin": "com.scale", "lastModifiedTime": "2024-02-01T00:00:00Z"
        },
    }  # fmt: skip
    timeless = {"recordType": "Weight", "weight": {"inGrams": 80500}}
    path = save(json.dumps({"records": [record, {"steps": 1}, timeless]}))
    assert recognise(path) == "health_connect_json"
    result = cleaned(path, user="me")
    (row,) = result.measurements.to_pylist()
    fields = ("effective_at", "amount", "unit", "source", "record_id", "updated")
    assert [row[name] for name in fields] == [
        "2024-01-31T06:12:33Z", "80.5", "kg", "com.scale", "r1", "2024-02-01T00:00:00.000000Z"
    ]  # fmt: skip
    assert [row["detail"] for row in result.quarantine.to_pylist()] == ["the row has no time"]


def group(*weights, **more):
    measures = [{"type": 1, "value": value, "unit": -3} for value in weights]
    return {"grpid": 7, "attrib": 0, "category": 1, "date": 1706681553,
            "measures": [{"type": 6, "value": 20, "unit": 0}, *measures]} | more  # fmt: skip


def answer(*groups, **body):
    return {"status": 0, "body": {"measuregrps": list(groups)} | body}


def test_withings_pages_in_a_list_or_on_lines(save, cleaned):
    pages = [answer(group(80_500)), answer(), answer(group(80_700), group(90_000, category=2))]
    for content in (json.dumps(pages), "\n".join(map(json.dumps, pages))):
        path = save(content)
        assert recognise(path) == "withings"
        result = cleaned(path, user="me")
        assert result.measurements["amount"].to_pylist() == ["80.5", "80.7"]
        assert (result.skipped, result.others) == (1, {"goal": 1})


def test_withings_second_weight_of_a_group_is_a_row_of_its_own(save, cleaned):
    rows = cleaned(save(json.dumps(answer(group(80_500, 80_700)))), user="me").measurements
    found = [(row["amount"], row["record_id"]) for row in rows.to_pylist()]
    assert found == [("80.5", "7"), ("80.7", "7-2")]


@pytest.mark.parametrize(
    ("zones", "wall"),
    [
        (({"timezone": "America/New_York"}, {}), "2024-01-31T01:12:33-05:00"),
        (({"timezone": "Europe/Rome"}, {"timezone": "Asia/Tokyo"}), "2024-01-31T15:12:33+09:00"),
        (({"timezone": "../etc/passwd"}, {}), "2024-01-31T06:12:33Z"),
        (({}, {}), "2024-01-31T06:12:33Z"),
    ],
)  # fmt: skip
def test_withings_time_zone_tells_the_hour(save, cleaned, zones, wall):
    of_body, of_group = zones
    content = json.dumps(answer(group(80_500, **of_group), **of_body))
    (row,) = cleaned(save(content), user="me").measurements.to_pylist()
    assert (row["wall"], row["effective_at"]) == (wall, "2024-01-31T06:12:33Z")


def garmin(**weighing):
    day = {"samplePk": 1, "weight": 80500, "timestampGMT": 1706681553000} | weighing
    return json.dumps({"dateWeightList": [day], "totalAverage": {"weight": 80000}})


@pytest.mark.parametrize(
    ("weighing", "wall"),
    [
        ({"weight": "80500"}, "2024-01-31T06:12:33Z"),
        ({"date": 1706681553000 + 3_600_000}, "2024-01-31T07:12:33+01:00"),
        ({"date": 1706681553000 - 34_200_000}, "2024-01-30T20:42:33-09:30"),
        ({"date": 1706681553000 + 17}, "2024-01-31T06:12:33Z"),  # no zone is 17 ms off
        ({"date": 10**15}, "2024-01-31T06:12:33Z"),
    ],
)
def test_garmin_weight_as_text_and_local_time(save, cleaned, weighing, wall):
    (row,) = cleaned(save(garmin(**weighing)), user="me").measurements.to_pylist()
    assert (row["wall"], row["effective_at"]) == (wall, "2024-01-31T06:12:33Z")
    assert (row["amount"], row["unit"]) == ("80500", "g")


def test_garmin_day_without_weighings_is_no_fault(save, cleaned):
    path = save(
        '{"startDate": "2024-01-31", "dateWeightList": [], "totalAverage": {"weight": null}}'
    )
    assert recognise(path) == "garmin"
    assert cleaned(path, user="me").rows == 0


FIT = {"point": [{"dataTypeName": "com.google.weight", "startTimeNanos": "1706681553000000000",
                  "value": [{"fpVal": 80.5}]}]}  # fmt: skip
OMH = {"header": {"id": "1"}, "body": {
    "body_weight": {"value": 80.5, "unit": "kg"},
    "effective_time_frame": {"date_time": "2024-01-31T06:12:33Z"}}}  # fmt: skip
LOG = {"logId": 1, "weight": 80.5, "bmi": 25, "date": "2024-01-31", "time": "06:12:33"}


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("google_fit", FIT),
        ("google_fit", {"bucket": [{"dataset": [FIT]}]}),
        ("open_mhealth", {"shim": "withings", "body": [OMH]}),
        ("fitbit", {"weight": [LOG]}),
        ("withings", answer(group(80_500))),
        ("garmin", json.loads(garmin())),
        ("health_auto_export", EXPORT),
    ],
)
def test_pages_in_whatever_holds_them_are_all_read(save, cleaned, name, page):
    """In a list, under a name, on lines: a page that is passed over is weighings that vanish."""
    alone = cleaned(save(json.dumps(page)), user="me").rows
    assert alone >= 1
    pages = [page, page, page]
    for content in (
        json.dumps(pages),
        json.dumps({"pages": pages}),
        "\n".join(map(json.dumps, pages)),
    ):
        path = save(content)
        assert recognise(path) == name
        assert cleaned(path, user="me").rows == 3 * alone
