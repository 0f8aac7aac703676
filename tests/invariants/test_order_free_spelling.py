"""Copies of a weighing in other spellings are one, in whatever order and run they come."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

# One weighing each: the spellings differ in text, unit, offset, float noise; the offset states
# another hour of the day than Z does.
WEIGHINGS = (
    (
        ("a", "2024-01-05T19:00:00Z", "80.5"),
        ("a", "2024-01-05T19:00Z", "80.50"),
        ("a", "2024-01-06T04:00:00+09:00", "80.5"),
        ("a", "2024-01-05T19:00:00.000Z", "80500", "g"),
        ("a", "2024-01-05T14:00:00-05:00", "80499.9998", "g"),
    ),
    (
        ("a", "2024-01-09T07:00:00Z", "176.4", "lb"),
        ("a", "2024-01-09T07:00:00Z", "80.013694068"),
        ("a", "2024-01-09T09:00:00+02:00", "12.6", "st"),
    ),
    (("a", "2024-01-12", "80.1"), ("a", "2024-01-12", "80100", "g")),
    (("b", "2024-01-05T19:00:00Z", "80.5"), ("b", "2024-01-05T20:00:00+01:00", "80.5")),
)
OTHERS = tuple(("a", f"2024-01-{day:02}T07:00:00Z", f"{80 + day / 50:.1f}") for day in range(1, 20))
ROWS = (*itertools.chain(*WEIGHINGS), *OTHERS[:8], *OTHERS[9:])


@pytest.fixture(scope="module")
def expected(fresh_dir, csv_of, store_files, smooth, exported):
    once = fresh_dir()
    outcomes = store_files(once, csv_of(*ROWS)).outcomes
    assert outcomes["duplicates"] == sum(len(copies) - 1 for copies in WEIGHINGS)
    smooth(once)
    return exported(once)


@settings(max_examples=10)
@given(data=st.data())
def test_any_order_and_split(data, expected, fresh_dir, csv_of, store_files, smooth, exported):
    rows = data.draw(st.permutations(ROWS))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(rows) - 1), max_size=3, unique=True)))
    many = fresh_dir()
    for start, stop in itertools.pairwise([0, *cuts, len(rows)]):
        store_files(many, csv_of(*rows[start:stop]))
        if data.draw(st.booleans()):
            smooth(many)
    smooth(many)
    assert exported(many) == expected


def test_a_smaller_spelling_brings_its_hour(fresh_dir, csv_of, store_files, rows_of, smooth):
    """It changes what the reading says, so the person is judged anew; the other spelling is not
    kept."""
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*OTHERS, ("a", "2024-01-05T19:00:00Z", "80.50")))
    smooth(data_dir)
    outcomes = store_files(data_dir, csv_of(("a", "2024-01-06T04:00:00+09:00", "80.5"))).outcomes
    assert outcomes["duplicates"] == 1
    stored = "select raw_weight, raw_time, local_hour from measurements where raw_weight like ?"
    assert rows_of(data_dir, stored, "80.5%") == [("80.5", "2024-01-06T04:00:00+09:00", 4.0)]
    assert rows_of(data_dir, "select dirty from users") == [(1,)]


def test_a_later_larger_spelling_changes_nothing(fresh_dir, csv_of, store_files, smooth, tables):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*OTHERS))
    smooth(data_dir)
    before = tables(data_dir, "runs", "files")
    store_files(data_dir, csv_of(("a", "2024-01-05T08:00:00+01:00", "80.10")))
    assert tables(data_dir, "runs", "files") == before
