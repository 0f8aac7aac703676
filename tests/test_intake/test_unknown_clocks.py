"""Times of day that stand for "unknown" are dates alone, whatever order the rows come in."""

import random
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.intake.cleaning import Rules, clean
from weightstream.intake.unknown_clocks import ClockTally, as_dates
from weightstream.readers.block import raw_table

RULES = Rules(datetime(2030, 1, 1, tzinfo=UTC))
DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]


def measured(rows, file=0, timezone="UTC"):
    """schema.MEASUREMENT of (user, time, source)."""
    users, times, sources = zip(*rows, strict=True)
    count = len(rows)
    columns = {"user_id": users, "time": times, "source": sources, "weight": ["80"] * count,
               "unit": ["kg"] * count}  # fmt: skip
    columns = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    columns["line"] = pa.array(range(2, count + 2))
    rules = Rules(RULES.started, timezone)
    return clean(raw_table(columns, count), rules, file).measurements


def dated(*tables, timezone="UTC"):
    """The walls after as_dates, and what was told."""
    tally = ClockTally()
    for table in tables:
        tally.add(table, timezone)
    found, lost = as_dates(pa.concat_tables(tables).unify_dictionaries(), tally, timezone)
    return found, dict(lost)


def walls(*rows, timezone="UTC"):
    return dated(measured(rows, timezone=timezone), timezone=timezone)[0]["wall"].to_pylist()


@pytest.mark.parametrize("clock", ["00:00:00", "12:00:00", "23:59:59"])
def test_one_time_of_day_for_all_days_of_a_source(clock):
    found, lost = dated(measured([("a", f"{day} {clock}", "s") for day in DAYS]))
    assert found["wall"].to_pylist() == found["effective_at"].to_pylist() == DAYS
    assert np.isnan(found["hour"].to_numpy()).all()
    noons = pa.array(found["time_us"].to_numpy() % 86_400_000_000)
    assert set(noons.to_pylist()) == {43_200_000_000}
    assert lost == {(0, clock): 10}


def test_other_times_of_day_stay_however_often_they_come():
    rows = [("a", f"{day} 07:00:00", "s") for day in DAYS]
    assert walls(*rows) == [f"{day}T07:00:00" for day in DAYS]


def test_two_days_prove_nothing():
    rows = [("a", f"{day} 00:00:00", "s") for day in DAYS[:2]]
    assert walls(*rows) == [f"{day}T00:00:00" for day in DAYS[:2]]
    once = [("a", f"{DAYS[0]} 00:00:00", "s")] * 5
    assert walls(*once) == [f"{DAYS[0]}T00:00:00"] * 5


def test_a_stretch_of_a_person_and_source():
    rows = [("a", f"{day} 07:00:00", "s") for day in DAYS[:5]]
    rows += [("a", f"{day} 00:00:00", "s") for day in DAYS[5:]]
    rows += [("b", f"{DAYS[0]} 00:00:00", "s"), ("a", f"{DAYS[0]} 00:00:00", "other")]
    expected = [f"{day}T07:00:00" for day in DAYS[:5]] + DAYS[5:] + [f"{DAYS[0]}T00:00:00"] * 2
    assert walls(*rows) == expected


def test_midnight_and_noon_among_other_hours_are_hours():
    hours = [("a", f"{day} {hour:02}:00:00", "s") for day in DAYS for hour in range(0, 24, 6)]
    assert walls(*hours) == [f"{day}T{hour:02}:00:00" for day in DAYS for hour in range(0, 24, 6)]


def test_the_last_second_of_two_days_is_no_time():
    typed = [("a", f"{day} 23:59:59", "s") for day in (DAYS[1], DAYS[5])]
    clocked = [("a", f"{day} 07:00:00", "s") for day in DAYS]
    assert walls(*typed, *clocked)[:2] == [DAYS[1], DAYS[5]]
    assert walls(typed[0], *clocked)[0] == f"{DAYS[1]}T23:59:59"
    assert walls(("a", f"{DAYS[0]} 23:59:59.5", "s")) == [f"{DAYS[0]}T23:59:59.5"]


def test_midnight_of_the_timezone_written_in_utc():
    rows = [
        ("a", f"2024-0{month}-10T2{hour}:00:00Z", "s") for month, hour in ((1, 3), (2, 3), (7, 2))
    ]
    assert walls(*rows, timezone="Europe/Oslo") == ["2024-01-11", "2024-02-11", "2024-07-11"]


def test_a_source_is_judged_in_each_file_by_itself():
    clocked = measured([("a", f"{day} 07:00:00", "s") for day in DAYS], file=0)
    dates = measured([(user, f"{DAYS[0]} 00:00:00", "s") for user in "bcdefg"], file=1)
    days = measured(
        [(u, f"{day} 00:00:00", "s") for u, day in zip("bcdefg", DAYS, strict=False)], file=1
    )
    assert dated(clocked, dates)[1] == {}
    assert dated(clocked, days)[1] == {(1, "00:00:00"): 6}


clocks = st.sampled_from(["00:00:00", "12:00:00", "07:00:00", "07:30:00", "23:59:59"])
rows = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 9), clocks, st.sampled_from("st")),
    min_size=1, max_size=25, unique=True,
)  # fmt: skip


@settings(deadline=None)
@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, rng):
    def walls_of(some):
        table = measured([(u, f"{DAYS[day]} {clock}", s) for u, day, clock, s in some])
        return sorted(zip(some, dated(table)[0]["wall"].to_pylist(), strict=True))

    shuffled = list(rows)
    random.Random(rng.random()).shuffle(shuffled)
    assert walls_of(shuffled) == walls_of(rows)
