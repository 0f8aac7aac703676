"""Exports of one person's app. The files are built by the rules in docs/formats.md, since no real
ones may be passed on; those under shared/ are by others.
"""

import json
import sqlite3

import pytest

from weightstream.errors import InputError
from weightstream.readers import recognise

WITHINGS = (
    'Date,"Weight (kg)","Fat mass (kg)","Bone mass (kg)","Muscle mass (kg)",Comments\n'
    '"2024-02-01 06:04:05",80.50,20.1,,,"a note\nof two lines"\n'
    '"2024-01-31 07:12:33",80.20,,,,\n'
)


def test_withings_table(save, weighings):
    path = save(WITHINGS)
    assert recognise(path) == "withings"
    assert weighings(path, user="me", timezone="Europe/Oslo") == [
        ("2024-02-01T05:04:05Z", "80.5", "kg", "withings"),
        ("2024-01-31T06:12:33Z", "80.2", "kg", "withings"),
    ]


def test_withings_in_other_languages_units_and_clocks(save, weighings):
    german = 'Datum,"Gewicht (lbs)","Fettmasse (lbs)",Kommentare\n2014-02-13 6:04 Uhr,176.4,,\n'
    path = save(german)
    assert recognise(path) == "withings"
    assert weighings(path, user="me") == [("2014-02-13T06:04:00Z", "176.4", "lb", "withings")]
    english = "Date,Weight (lb),Fat mass (lb),Lean mass (lb),Comments\n2014-09-25 7:31 PM,176,,,\n"
    assert weighings(save(english), user="me")[0][0] == "2014-09-25T19:31:00Z"


def test_withings_answers(save, cleaned):
    def group(number, attrib=0, category=1, kind=1):
        measures = [{"type": 6, "unit": 0, "value": 20}, {"type": kind, "unit": -3, "value": 74126}]
        date = 1433052383
        return {"grpid": number, "attrib": attrib, "category": category, "date": date,
                "measures": measures}  # fmt: skip

    groups = [
        group(1),
        group(2, attrib=1),
        group(3, attrib=2),
        group(4, category=2),
        group(5, kind=9),
    ]
    path = save(json.dumps({"status": 0, "body": {"measuregrps": groups}}))
    result = cleaned(path, user="me")
    found = [
        (row["record_id"], row["amount"], row["source"]) for row in result.measurements.to_pylist()
    ]
    assert found == [
        ("1", "74.126", "withings"),
        ("2", "74.126", "withings-ambiguous"),
        ("3", "74.126", "withings-manual"),
    ]
    assert result.skipped == 2
    assert result.measurements["effective_at"][0].as_py() == "2015-05-31T06:06:23Z"


def fitbit(*logs):
    return json.dumps(
        [
            {"logId": n, "weight": weight, "date": "01/31/24", "time": "07:12:33"}
            | ({"bmi": bmi} if bmi else {})
            for n, (weight, bmi) in enumerate(logs)
        ]
    )


def test_fitbit_takeout_is_proven_by_its_bmi(save, weighings):
    path = save(fitbit((176.4, 25.0), (177.0, 25.1)), "weight-2024-01-01.json")
    assert recognise(path) == "fitbit"
    assert weighings(path, user="me")[0] == ("2024-01-31T07:12:33Z", "176.4", "lb", "fitbit")
    assert weighings(save(fitbit((80.0, 25.0))), user="me")[0][2] == "kg"


def test_fitbit_without_proof_needs_the_unit(save, weighings):
    for logs in ([(176.4, None)], [(176.4, 0)], [(176.4, 12.0)], [(176.4, 1.0)]):
        path = save(fitbit(*logs))
        with pytest.raises(InputError, match="give --unit"):
            weighings(path, user="me")
        assert weighings(path, user="me", unit="lbs")[0][2] == "lb"
    with pytest.raises(InputError, match="proves by its bmi"):
        weighings(save(fitbit((176.4, 25.0))), user="me", unit="kg")


def test_google_fit(save, cleaned):
    points = [
        {
            "fitValue": [{"value": {"fpVal": 80.5999984741211}}],
            "startTimeNanos": 1706681553000000000,
            "modifiedTimeMillis": 1706681600123,
            "dataTypeName": "com.google.weight",
            "originDataSourceId": "raw:com.google.weight:com.fitnow.loseit:",
        },
        {"dataTypeName": "com.google.height", "fitValue": [{"value": {"fpVal": 1.8}}]},
    ]
    path = save(json.dumps({"Data Source": "derived:com.google.weight:x", "Data Points": points}))
    assert recognise(path) == "google_fit"
    result = cleaned(path, user="me")
    (row,) = result.measurements.to_pylist()
    assert (row["amount"], row["unit"], row["source"]) == ("80.6", "kg", "com.fitnow.loseit")
    assert row["effective_at"] == "2024-01-31T06:12:33Z"
    assert result.skipped == 1
    answer = {"dataSourceId": "derived:com.google.weight:x", "point": [
        {"startTimeNanos": "1706681553000000000", "value": [{"fpVal": 80.5}]}]}  # fmt: skip
    assert cleaned(save(json.dumps(answer)), user="me").measurements["amount"].to_pylist() == [
        "80.5"
    ]


GARMIN = (
    "\ufeffTime,Weight,Change,BMI,Body Fat,Skeletal Muscle Mass,Bone Mass,Body Water,\n"
    '" Jan 31, 2024",\n'
    "7:12 PM,80.5 kg,0.2 kg,24.1,20.1 %,--,--,--,\n"
    "6:04 AM,176.4 lbs,--,--,--,--,--,--,\n"
    '" 30 Jan 2024",\n'
    "17:08,--,--,--,--,--,--,--,\n"
)


def test_garmin_table(save, cleaned):
    path = save(GARMIN)
    assert recognise(path) == "garmin"
    result = cleaned(path, user="me")
    found = [
        (row["wall"], row["amount"], row["unit"], row["line"])
        for row in result.measurements.to_pylist()
    ]
    assert found == [
        ("2024-01-31T19:12:00", "80.5", "kg", 3),
        ("2024-01-31T06:04:00", "176.4", "lb", 4),
    ]
    (row,) = result.quarantine.to_pylist()
    assert (row["reason"], row["time"], row["line"]) == ("missing_field", "30 Jan 2024 17:08", 6)


def test_garmin_dates_in_other_words_are_not_guessed(save, cleaned):
    path = save(GARMIN.replace("Jan 31, 2024", "31 janv. 2024").replace("30 Jan", "30 Foo"))
    reasons = cleaned(path, user="me").quarantine["reason"].to_pylist()
    assert reasons[-1] == "missing_field"
    without_day = GARMIN.replace('" Jan 31, 2024",\n', "")
    assert cleaned(save(without_day), user="me").quarantine["reason"][0].as_py() == "bad_timestamp"


def test_garmin_json(save, weighings):
    summary = {
        "dailyWeightSummaries": [{"allWeightMetrics": [
            {"samplePk": 1, "date": 1706685153000, "timestampGMT": 1706681553000, "weight": 80500.0,
             "sourceType": "INDEX_SCALE"}]}],
        "totalAverage": {"from": 1, "until": 2, "weight": 80500.0},
    }  # fmt: skip
    path = save(json.dumps(summary))
    assert recognise(path) == "garmin"
    expected = [("2024-01-31T06:12:33Z", "80500", "g", "garmin-index_scale")]
    assert weighings(path, user="me") == expected
    metrics = [{"weight": {"weight": 80500.0, "sourceType": "INDEX_SCALE",
                           "timestampGMT": "2024-01-31T06:12:33.0"}}]  # fmt: skip
    assert weighings(save(json.dumps(metrics)), user="me") == expected


def test_openscale_2_is_always_kg(save, cleaned):
    path = save(
        '"biceps","comment","dateTime","fat","water","weight"\n'
        '0.0,"","2024-01-31 07:12",20.1,0.0,80.5\n'
        '0.0,"","31.01.2024 08:00",20.1,0.0,81.0\n'
        '0.0,"","2024-01-31 09:00",20.1,0.0,0.0\n'
    )
    assert recognise(path) == "openscale"
    result = cleaned(path, user="me")
    assert result.measurements["wall"].to_pylist() == ["2024-01-31T07:12:00", "2024-01-31T08:00:00"]
    assert result.quarantine["reason"].to_pylist() == ["bad_number"]
    with pytest.raises(InputError, match="leave --unit out"):
        cleaned(path, user="me", unit="lb")


def test_openscale_3_does_not_state_its_unit(save, weighings):
    path = save("DATE,TIME,BMI,COMMENT,FAT,WATER,WEIGHT\n2024-01-31,07:12:33.5,24,,20,,176.4\n")
    assert recognise(path) == "openscale"
    with pytest.raises(InputError, match="give --unit"):
        weighings(path, user="me")
    expected = [("2024-01-31T07:12:33.5Z", "176.4", "lb", "openscale")]
    assert weighings(path, user="me", unit="lb") == expected


@pytest.mark.parametrize("prefix", ["", "com.samsung.health.weight."])
def test_samsung_writes_utc_with_the_offset_beside_it(save, cleaned, prefix):
    names = ["start_time", "weight", "time_offset", "pkg_name", "datauuid", "update_time"]
    path = save(
        "com.samsung.health.weight,6302001,7\n"
        f"{','.join(prefix + name for name in names)}\n"
        "2024-01-31 07:12:33.000,80.5,UTC+0100,com.sec.shealth,w1,2024-02-01 00:00:00.000,\n"
        "1706681553000,80.6,UTC-0530,com.sec.shealth,w2,1706681553000,\n"
        "2024-02-01 07:00:00.000,80.7,,com.sec.shealth,w3,,\n"
    )
    assert recognise(path) == "samsung_health"
    rows = cleaned(path, user="me", timezone="Europe/Oslo").measurements.to_pylist()
    assert [(row["wall"], row["updated"]) for row in rows] == [
        ("2024-01-31T08:12:33+01:00", "2024-02-01T00:00:00.000000Z"),
        ("2024-01-31T00:42:33-05:30", "2024-01-31T06:12:33.000000Z"),
        ("2024-02-01T07:00:00Z", None),
    ]


def test_a_table_with_persons_of_its_own_is_no_personal_export(save, cleaned):
    for header in (
        "user_id,dateTime,weight,fat,water,lbm",
        "user_id,DATE,TIME,WEIGHT,FAT,WATER",
        "Date,Weight (kg),Fat mass (kg),Bone mass (kg),user_id",
    ):
        assert recognise(save(header + "\n")) == "csv"


def test_a_goal_in_the_second_column_is_never_the_weight(save, weighings):
    path = save(
        "Date,Goal weight (kg),Weight (kg)\n2024-01-01 07:00,72,80.5\n2024-01-02 07:00,72,80.3\n"
    )
    assert recognise(path) == "csv"
    assert [row[1] for row in weighings(path, user="me")] == ["80.5", "80.3"]


def test_garmin_is_told_by_its_shape_in_any_language(save, weighings):
    path = save(
        'Zeit,Gewicht,Änderung,BMI\n" 9. Aug. 2024"\n7:05,"72,5 kg","0,1 kg",23.1\n'
        '" 8. Aug. 2024"\n7:01,"72,4 kg","0,1 kg",23.1\n'
    )
    assert recognise(path) == "garmin"
    assert [row[:3] for row in weighings(path, user="me")] == [
        ("2024-08-09T07:05:00Z", "72.5", "kg"),
        ("2024-08-08T07:01:00Z", "72.4", "kg"),
    ]


@pytest.mark.parametrize(
    ("version", "time", "effective_at"),
    [
        ("#Version:5\n#Units:kg\n\n", "2024-01-31 07:12:33", "2024-01-31T06:12:33Z"),
        ("#Version: 6\n#Units: kg\n", "2024-01-31T06:12:33.000Z", "2024-01-31T06:12:33Z"),
    ],
)
def test_libra(save, cleaned, version, time, effective_at):
    columns = "#date;weight;weight trend;body fat;body fat trend;comment\n"
    path = save(f"{version}{columns}{time};80.5;79.9;;;\n{time};80,7;79.9;;;\n")
    assert recognise(path) == "libra"
    rows = cleaned(path, user="me", timezone="Europe/Oslo").measurements.to_pylist()
    assert [(row["effective_at"], row["amount"]) for row in rows] == [
        (effective_at, "80.5"),
        (effective_at, "80.7"),
    ]
    with pytest.raises(InputError, match="leave --unit out"):
        cleaned(path, user="me", unit="kg")
    with pytest.raises(InputError, match="give --unit"):
        cleaned(save(f"#Version:4\n{columns}{time};80.5;;;;\n"), user="me")


def health_connect(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def test_health_connect(tmp_path, cleaned):
    path = health_connect(
        tmp_path / "health_connect_export.db",
        "create table application_info_table (row_id integer primary key, package_name text)",
        "insert into application_info_table values (3, 'com.scale')",
        "create table weight_record_table (row_id integer primary key, uuid blob, "
        "last_modified_time integer, app_info_id integer, time integer, zone_offset integer, "
        "weight real)",
        "insert into weight_record_table values "
        "(7, x'0a0b', 1706700000000, 3, 1706681553000, 3600, 80500.0)",
        "insert into weight_record_table values (8, x'0c', null, 9, 1706681553000, null, null)",
        "insert into weight_record_table values (9, x'0d', null, 9, 'soon', null, 80500)",
    )
    assert recognise(path) == "health_connect"
    before = path.read_bytes()
    result = cleaned(path, user="me")
    (row,) = result.measurements.to_pylist()
    fields = ("wall", "amount", "unit", "source", "record_id", "line")
    assert [row[name] for name in fields] == [
        "2024-01-31T07:12:33+01:00", "80500", "g", "com.scale", "0A0B", 7,
    ]  # fmt: skip
    assert result.quarantine["reason"].to_pylist() == ["missing_field", "bad_timestamp"]
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_health_connect_of_fewer_columns_and_other_databases(tmp_path, cleaned):
    table = "create table weight_record_table(time,zone_offset,weight,app_info_id)"
    row = "insert into weight_record_table values (1706681553000, -18000, 80500, 1)"
    path = health_connect(tmp_path / "old.db", table, row)
    assert cleaned(path, user="me").measurements["wall"].to_pylist() == [
        "2024-01-31T01:12:33-05:00"
    ]
    other = health_connect(tmp_path / "other.db", "create table weights (kg)")
    with pytest.raises(InputError, match="not one that Health Connect exports"):
        cleaned(other, user="me")
    broken = path.read_bytes().replace(b"weight_record", b"weight\x81record")
    path.with_name("broken.db").write_bytes(broken)
    with pytest.raises(InputError, match=r"not one that|damaged"):
        cleaned(path.with_name("broken.db"), user="me")
    endless = (
        "create view weight_record_table(time, weight) as with recursive n(i) as "
        "(select 1 union all select i + 1 from n) select i, i from n"
    )
    with pytest.raises(InputError, match="not one that Health Connect exports"):
        cleaned(health_connect(tmp_path / "view.db", endless), user="me")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="truncated"):
        cleaned(path, user="me")


def test_health_connect_that_gives_rows_twice(tmp_path, cleaned):
    """The first page of the table's tree named twice: SQLite reads it twice, without an error."""
    path = health_connect(
        tmp_path / "export.db",
        "pragma page_size = 512",
        "create table weight_record_table(time,weight)",
        *[
            f"insert into weight_record_table values ({1706681553000 + n * 10**7}, {80_000 + n})"
            for n in range(100)
        ],
    )
    assert cleaned(path, user="me").rows == 100
    content = bytearray(path.read_bytes())
    root = 512  # the second page; from its 13th byte on, where its cells are, each a page's number
    assert content[root] == 5, "an inner page of a table"
    cells = [int.from_bytes(content[root + n : root + n + 2], "big") for n in (12, 14)]
    first, second = (root + cell for cell in cells)
    content[second : second + 4] = content[first : first + 4]
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        cleaned(path, user="me")


def test_all_of_them_need_the_person(save, cleaned):
    for content in (WITHINGS, GARMIN, fitbit((176.4, 25.0))):
        with pytest.raises(InputError, match="give --user"):
            cleaned(save(content))


def test_files_by_others(shared, weighings):
    folder = shared / "samples"
    rows = weighings(folder / "withings/shimmer-body-measures.json", user="me")
    assert [row[1] for row in rows] == ["74.126", "74.128"]
    rows = weighings(folder / "fitbit-google/shimmer-fitbit-body-log-weight.json", user="me")
    assert rows[0] == ("2015-05-13T18:28:59Z", "56.7", "kg", "fitbit")
    name = "fitbit-google/verve-googlehealth-weight_2026-05-01.csv"
    assert weighings(folder / name, user="me")[0] == (
        "2026-05-27T05:33:27Z",
        "93400",
        "g",
        "YAZIO Health Kit",
    )
