from datetime import UTC, date, datetime, timedelta, timezone
from time import perf_counter
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.parsing.date_order import OrderEvidence, order_evidence
from weightstream.parsing.times import parse_times, utc_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]


def parse(*texts, timezone="UTC", date_order=None):
    return parse_times(pa.array(texts, pa.string()), timezone, date_order)


def microseconds(moment):
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "wall", "effective_at"),
    [
        ("2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z"),
        ("2024-01-31 07:12:33+00:00", "2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z"),
        ("2024-01-31T07:12:33-0000", "2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z"),
        ("2024-01-31 07:12:33", "2024-01-31T07:12:33", "2024-01-31T07:12:33Z"),
        ("2024-01-31 07:12", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        ("2024-01-31T07:12:33.500", "2024-01-31T07:12:33.5", "2024-01-31T07:12:33.5Z"),
        ("2024-01-31T07:12:33.000Z", "2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z"),
        ("2024-01-31T00:12:33,25+01:00", "2024-01-31T00:12:33.25+01:00", "2024-01-30T23:12:33.25Z"),
        ("2024-01-31T07:12:33+01", "2024-01-31T07:12:33+01:00", "2024-01-31T06:12:33Z"),
        ("2024-01-31T07:12:33 -0530", "2024-01-31T07:12:33-05:30", "2024-01-31T12:42:33Z"),
        ("2024-01-31", "2024-01-31", "2024-01-31"),
        ("2024/1/3", "2024-01-03", "2024-01-03"),
        ("31.01.2024 7:12", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        (" 2024-01-31 12:05 am ", "2024-01-31T00:05:00", "2024-01-31T00:05:00Z"),
        ("2024-01-31 12:05 PM", "2024-01-31T12:05:00", "2024-01-31T12:05:00Z"),
        ("2024-01-31\u00a07:12:33\u202fPM", "2024-01-31T19:12:33", "2024-01-31T19:12:33Z"),
        ("\u00a02024-01-31", "2024-01-31", "2024-01-31"),
        ("20240131", "2024-01-31", "2024-01-31"),
        ("202401310712", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        ("20150617071820-0700", "2015-06-17T07:18:20-07:00", "2015-06-17T14:18:20Z"),
        ("1706685153", "2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z"),
        ("1706685153.5", "2024-01-31T07:12:33.5Z", "2024-01-31T07:12:33.5Z"),
        ("1706685153250", "2024-01-31T07:12:33.25Z", "2024-01-31T07:12:33.25Z"),
        ("1706685153000001", "2024-01-31T07:12:33.000001Z", "2024-01-31T07:12:33.000001Z"),
        ("1706685153000000000", "2024-01-31T07:12:33Z", "2024-01-31T07:12:33Z"),
        ("31.1.24", "2024-01-31", "2024-01-31"),
        ("31/01/98", "1998-01-31", "1998-01-31"),
        ("1/31/24 9.33.45", "2024-01-31T09:33:45", "2024-01-31T09:33:45Z"),
        ("04/04/2024", "2024-04-04", "2024-04-04"),
        ("31-Jan-2024 07:12", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        ("Jan 31 2024 7:12AM", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        ("Wednesday, January 31st, 2024", "2024-01-31", "2024-01-31"),
        ("Jan 31, 2024 at 7:12 AM", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        ("31. Dezember 2023", "2023-12-31", "2023-12-31"),
        ("5. marraskuuta 2024", "2024-11-05", "2024-11-05"),
        ("5. maaliskuuta 2024", "2024-03-05", "2024-03-05"),
        ("5. lipnja 2024", "2024-06-05", "2024-06-05"),
        ("5 lipca 2024", "2024-07-05", "2024-07-05"),
        ("5. desember 2024", "2024-12-05", "2024-12-05"),
        ("5 maart 2024", "2024-03-05", "2024-03-05"),
        ("5 iun. 2024", "2024-06-05", "2024-06-05"),
        ("5 iulie 2024", "2024-07-05", "2024-07-05"),
        ("3 juil. 2024 07:12", "2024-07-03T07:12:00", "2024-07-03T07:12:00Z"),
        ("Wed, 31 Jan 2024 07:12:33 +0100", "2024-01-31T07:12:33+01:00", "2024-01-31T06:12:33Z"),
        (
            "Wed Jan 31 2024 07:12:33 GMT+0100 (CET)",
            "2024-01-31T07:12:33+01:00",
            "2024-01-31T06:12:33Z",
        ),
        (
            "2024-01-31T07:12:33+01:00[Europe/Oslo]",
            "2024-01-31T07:12:33+01:00",
            "2024-01-31T06:12:33Z",
        ),
        ("2024-07-31 07:12 Europe/Berlin", "2024-07-31T07:12:00+02:00", "2024-07-31T05:12:00Z"),
        ("2024年1月31日", "2024-01-31", "2024-01-31"),
        ("2024/01/31 午後7:12", "2024-01-31T19:12:00", "2024-01-31T19:12:00Z"),
        ("2024-01-31 12:15:00 a. m.", "2024-01-31T00:15:00", "2024-01-31T00:15:00Z"),
        ("07:12 31.01.2024", "2024-01-31T07:12:00", "2024-01-31T07:12:00Z"),
        ("2024-01-31_07-12-33", "2024-01-31T07:12:33", "2024-01-31T07:12:33Z"),
        ("'2024-01-31", "2024-01-31", "2024-01-31"),
        ("2024-1-31 7:5", "2024-01-31T07:05:00", "2024-01-31T07:05:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_layouts(text, wall, effective_at):
    result = parse(text)
    assert not result.bad[0]
    assert result.wall.to_pylist() == [wall]
    assert result.effective_at.to_pylist() == [effective_at]


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-01-31 24:00",
     "2024-01-31 07:60", "2024-01-31 07:12:60", "2024-01-31T07", "yesterday", "", "20241331",
     "170668515", "0000000000", "9706685153", "45322", "45322.3", "03/04/24", "31 Foo 2024",
     "2024-01-31 07:12 CET", "2024-01-31 07:12 Europe/Nowhere", "24-01-31", "31-01-24",
     "2024-01-31T07:12:33+25:00", "2024-01-31 13:00 PM", "03/04/2024",
     "2024-01-31T07:12:33Zulu", "２０２４-01-31", "2024-01-31T07:12:33.1234567890"],
)  # fmt: skip
def test_what_is_no_time(text):
    assert parse(text).bad.tolist() == [True]


def test_a_date_alone_stands_at_noon_and_has_no_hour():
    result = parse("2024-07-01", timezone="Europe/Oslo")
    assert result.us[0] == microseconds(datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Oslo")))
    assert np.isnan(result.hour[0])


def test_a_repeated_hour_is_the_first_and_a_skipped_one_moves_on():
    result = parse("2024-10-27 02:30", "2024-03-31 02:30", timezone="Europe/Oslo")
    assert result.effective_at.to_pylist() == ["2024-10-27T00:30:00Z", "2024-03-31T01:30:00Z"]


def test_hour_is_as_written_or_at_home_where_only_the_instant_is_known():
    result = parse(
        "2024-01-31T07:30:00-05:00",
        "2024-01-31T07:30:00Z",
        "2024-01-31 07:30",
        timezone="Asia/Tokyo",
    )
    assert result.hour.tolist() == [7.5, 16.5, 7.5]
    assert parse("2024-01-31T23:59:59.999999Z").hour[0] < 24


def test_years_that_few_libraries_hold():
    result = parse("0025-03-01", "0000-01-01", timezone="Europe/Oslo")
    assert not result.bad.any()
    assert result.day.tolist() == [(date(25, 3, 1) - date(1970, 1, 1)).days, -719_528]


@pytest.mark.parametrize(("order", "day"), [("dmy", "2024-04-03"), ("mdy", "2024-03-04")])
def test_day_and_month_in_a_given_order(order, day):
    result = parse("03/04/2024", "3-4-2024", date_order=order)
    assert result.wall.to_pylist() == [day, day]


def test_a_named_zone_is_known_by_the_timezone_that_is_given():
    result = parse(
        "2024-01-31 07:12 CET", "2024-07-31 07:12 CEST", "2024-01-31 07:12 EST",
        timezone="Europe/Oslo",
    )  # fmt: skip
    assert result.bad.tolist() == [False, False, True]
    assert result.effective_at.to_pylist()[:2] == ["2024-01-31T06:12:00Z", "2024-07-31T05:12:00Z"]


@pytest.mark.parametrize(
    ("system", "walls"),
    [
        ("excel1900", ["2024-01-31", "2024-01-31T07:12:00"]),
        ("excel1904", ["2028-02-01", "2028-02-01T07:12:00"]),
    ],
)
def test_day_numbers_of_excel_where_the_date_system_is_given(system, walls):
    assert parse("45322", "45322.3", date_order=system).wall.to_pylist() == walls


def test_years_first_where_that_is_given():
    assert parse("24-01-31 7:12", date_order="ymd").wall.to_pylist() == ["2024-01-31T07:12:00"]


def test_dates_of_the_other_order_are_bad_where_an_order_is_given():
    assert parse("25/06/2024", "06/25/2024", date_order="mdy").bad.tolist() == [True, False]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["03/04/2024"], OrderEvidence(either=1)),
        (["03/04/2024", "13/04/2024"], OrderEvidence(dmy=1, either=1)),
        (["03/04/24", "04/13/2024", "x"], OrderEvidence(mdy=1, either=1)),
        (["2024-01-01", "99/99/2024", "31 Jan 2024"], OrderEvidence(other=2)),
        (["04/04/2024"], OrderEvidence()),
    ],
)
def test_evidence_of_the_order(texts, expected):
    assert order_evidence(pa.array(texts)) == expected


@pytest.mark.parametrize(
    ("dmy", "mdy", "order"),
    [(1, 0, "dmy"), (0, 3, "mdy"), (1, 100, "mdy"), (2, 3, None), (0, 0, None)],
)
def test_all_but_a_handful_prove_the_order(dmy, mdy, order):
    assert OrderEvidence(dmy, mdy).order == order


def test_times_with_a_zone_of_their_own_do_not_need_its_table():
    """A table of a zone takes 0.2 s; a file may name all 600 of them."""
    names = sorted(available_timezones())
    started = perf_counter()
    parse(*[f"2024-01-31 07:12 {name}" for name in names if "/" in name])
    assert perf_counter() - started < 20


def test_texts_that_all_differ_take_no_longer_than_they_must():
    texts = [f"{'abcdefghij'[n % 10]}{n} 0000 {chr(97 + n % 26) * (n % 50)}" for n in range(50_000)]
    started = perf_counter()
    assert parse(*texts).bad.all()
    assert perf_counter() - started < 20


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1901, 1, 1), datetime(2099, 1, 1))


@settings(deadline=None)
@given(st.lists(st.tuples(moments, offsets), min_size=1, max_size=20))
def test_offsets_as_the_standard_library(cases):
    written = [moment.replace(tzinfo=zone) for moment, zone in cases]
    result = parse(*[moment.isoformat() for moment in written])
    assert result.us.tolist() == [microseconds(moment) for moment in written]
    assert not result.bad.any()
    # What was written in the normal form is read as the same time.
    assert parse(*result.effective_at.to_pylist()).us.tolist() == result.us.tolist()
    assert parse(*result.wall.to_pylist()).wall.equals(result.wall)


@settings(deadline=None)
@given(st.lists(moments, min_size=1, max_size=20), st.sampled_from(ZONES))
def test_wall_times_as_the_standard_library(cases, zone):
    result = parse(*[moment.isoformat(" ") for moment in cases], timezone=zone)
    expected = [microseconds(moment.replace(tzinfo=ZoneInfo(zone))) for moment in cases]
    assert result.us.tolist() == expected


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789-/:. TZ+amPé", max_size=24), max_size=30))
def test_any_mixture_of_texts_is_judged_row_by_row(texts):
    together = parse(*texts, timezone="Europe/Oslo")
    for row, text in enumerate(texts):
        alone = parse(text, timezone="Europe/Oslo")
        assert together.bad[row] == alone.bad[0]
        if not alone.bad[0]:
            assert together.us[row] == alone.us[0]
            assert together.wall[row] == alone.wall[0]
            assert together.effective_at[row] == alone.effective_at[0]


def test_slices_and_nulls_of_a_longer_column():
    texts = pa.array(["x", "2024-01-31", None, "2024-02-01 10:00"])
    result = parse_times(texts[1:], "UTC", None)
    assert result.bad.tolist() == [False, True, False]
    assert result.wall[2].as_py() == "2024-02-01T10:00:00"


@settings(deadline=None)
@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_text_of_an_instant(second):
    moment = EPOCH + timedelta(seconds=second)
    expected = moment.strftime("%m-%dT%H:%M:%SZ")
    assert utc_text(np.array([second * 1_000_000])).to_pylist() == [f"{moment.year:04}-{expected}"]
