"""The tables under shared/data/reports come out as expected.csv says, as far as reading goes."""

import pytest

from tests.reports.cases import outcome_of
from weightstream.readers import recognise

ME = {"user": "me"}
CLOCKED = [
    "p1 2026-08-10T06:58:00 80.4 kg",
    "p1 2026-08-10T12:15:00 81.1 kg",
    "p1 2026-08-10T21:40:00 81.9 kg",
    "p1 2026-08-10T22:10:00 80.4 kg",
    "p1 2026-08-11T07:02:00 80.3 kg",
]
EXPECTED = {
    "01b-date-time-split.csv": ({}, CLOCKED),
    "02b-renpho-old.csv": (
        ME, ["me 2026-08-27T08:00:00 158.4 lb", "me 2026-08-28T08:00:00 158 lb"],
    ),
    "04-healthcoach.csv": ({}, ["1 2017-11-01T07:10:00 70.1 kg", "1 2017-11-02T07:12:00 70.3 kg"]),
    "06-minimal.csv": (
        ME | {"unit": "kg"}, ["me 2020-01-31T23:59:00 61.1 kg", "me 2020-12-31T13:59:00 60 kg"],
    ),
    "07-quoted-decimal-comma.csv": ({}, [
        "p1 2021-04-18 69.61451247 kg", "p1 2021-04-19 69.6 kg", "p1 2021-04-20 70.25 kg",
        "p1 2021-04-21 69.9 kg",
    ]),
    "10b-italian.csv": ({}, [
        "p1 2014-01-21T09:33:45 66.9 kg", "p1 2014-01-22T09:30:12 66.7 kg", "p1 2014-01-23 66.8 kg",
    ]),
    "17-units-in-cell.csv": ({}, [
        "p1 2024-01-01 172 lb", "p1 2024-01-02 172 lb", "p1 2024-01-03 180 lb",
        "p1 2024-01-04 80.5 kg", "p1 2024-01-05 80.5 kg",
    ]),
    "18b-stone-and-pounds.csv": ({}, [
        "p1 2024-01-01 172 lb", "p1 2024-01-02 171.5 lb", "p1 2024-01-03 171 lb",
        "p1 2024-01-04 170.5 lb",
    ]),
    "20d-garmin-de.csv": (
        ME | {"timezone": "Europe/Berlin"},
        ["me 2024-08-09T07:05:00 72.5 kg", "me 2024-08-08T07:01:00 72.4 kg"],
    ),
    "25-samsung.csv": (
        ME, ["me 2026-01-02T08:00:00+01:00 80.4 kg", "me 2025-01-02T08:00:00+01:00 80.2 kg"],
    ),
    "63-excel-sep.csv": ({}, [
        "p1 2024-01-01 79.9 kg", "p1 2024-01-02 80.2 kg", "p1 2024-01-03 79.9 kg",
        "p1 2024-01-04 79.9 kg",
    ]),
    "64-unix-ms.csv": (
        ME | {"unit": "kg"}, ["me 2018-11-06T23:00:00Z 72 kg", "me 2018-11-07T23:00:00Z 72.2 kg"],
    ),
    "66-zepp.csv": (
        ME | {"unit": "kg"}, ["me 2022-12-01T07:32:11Z 72 kg", "me 2022-12-02T07:32:11Z 72.3 kg"],
    ),
    "76-redcap.csv": ({}, [
        "1 2024-01-01 82.2 kg", "1 2024-01-31 81.8 kg", "2 2024-01-01 81.8 kg",
        "2 2024-01-31 83.5 kg", "3 2024-01-01 83 kg", "3 2024-01-31 83.5 kg",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_rows(reports, name):
    options, rows = EXPECTED[name]
    found = outcome_of(reports / name, **options)
    assert found.rows == rows
    assert found.quarantined == []


@pytest.mark.parametrize(
    ("name", "count"),
    [("30b-couple-6.csv", 80), ("34-many-a-day.csv", 120), ("50-offset-vs-utc.csv", 40),
     ("51-reexport-lb.csv", 40), ("73-kg-labelled-lb-majority.csv", 170)],
)  # fmt: skip
def test_tables_that_are_read_as_they_stand(reports, name, count):
    found = outcome_of(reports / name)
    assert (len(found.rows), found.quarantined, found.clocks) == (count, [], {})


def test_times_in_38_spellings(reports):
    found = outcome_of(reports / "55-times.csv")
    read = {row.split()[0]: row.split()[1] for row in found.rows}
    for person in ("p11", "p12", "p18", "p24"):  # two-digit years and names of months
        assert read[person].startswith("2024-01-31")
    assert (read["p08"], read["p09"]) == ("2024-01-31T07:00:00Z",) * 2
    details = dict(found.quarantined)
    assert len(read) + len(details) == 38
    for line, words in {
        5: "--timezone", 6: "--timezone", 8: "--dates excel1900", 9: "--dates excel1900",
        16: "start or the end of the day", 33: "without a date", 34: "too narrow",
    }.items():  # fmt: skip
        assert words in details[line]


@pytest.mark.parametrize(
    ("name", "rows", "others"),
    [
        ("56-long-table.csv", 6, {"Lean body mass", "BMI", "Body height", "Body fat",
                                  "Muscle mass", "Goal weight"}),
        ("58-omop.csv", 6, {"3036277"}),
    ],
)  # fmt: skip
def test_long_tables(reports, name, rows, others):
    found = outcome_of(reports / name)
    assert len(found.rows) == rows
    assert set(found.others) == others
    assert found.quarantined == []


def test_a_goal_is_told_and_never_accepted(reports):
    found = outcome_of(reports / "60b-goal-first.csv", user="me")
    assert len(found.rows) == 6
    assert not any(" 72 " in row for row in found.rows)
    assert found.notes == ["ignored, not a weighing: 'Goal weight (kg)'"]


def test_the_date_and_not_the_import(reports):
    found = outcome_of(reports / "61-date-and-timestamp.csv")
    assert [row.split()[1] for row in found.rows] == [f"2024-01-0{day}" for day in range(1, 7)]


def test_a_title_is_told(reports):
    found = outcome_of(reports / "63b-title-row.csv")
    assert len(found.rows) == 4
    assert "1 line above the header skipped" in found.notes


@pytest.mark.parametrize(
    ("name", "clock", "options"),
    [("81-hour-midnight.csv", "00:00:00", {}),
     ("79-fitbit-235959.json", "23:59:59", {"user": "me", "unit": "kg"})],
)  # fmt: skip
def test_times_of_day_that_mean_unknown(reports, name, clock, options):
    found = outcome_of(reports / name, **options)
    assert set(found.clocks) == {clock}
    dates = [row.split()[1] for row in found.rows]
    assert sum(len(date) == 10 for date in dates) == found.clocks[clock]


def test_both_ways_of_a_withings_account_have_one_source(reports):
    table = outcome_of(reports / "f-withings/weight.csv", user="me", timezone="UTC")
    measures = outcome_of(reports / "f-withings/measures.json", user="me", timezone="UTC")
    assert recognise(reports / "f-withings/weight.csv") == "withings"
    assert len(table.rows) == len(measures.rows) == 15
    assert set(table.measurements["source"].to_pylist()) == {"withings"}
    assert set(measures.measurements["source"].to_pylist()) == {"withings"}
