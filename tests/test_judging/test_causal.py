import random
import sqlite3
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

RECORD_STATEMENTS = (
    "select measurement_id, verdict, reason, p_valid, expected_kg, expected_lo_kg, level_kg,"
    " level_lo_kg, trend_kg_per_week, suggested_kg from current_decisions order by 1",
    "select user_id, settled, state from user_states",
    "select user_id, readings, rejected, first_us, last_us, level_kg, trend_kg_per_week from users",
    "select * from level_shifts order by 1, 2, 3",
    "select user_id, effective_at, measurement_id, source, weight_kg, local_hour,"
    " raw_weight, raw_unit, raw_time from measurements order by 1, 2, 3",
)
"""What must not depend on how the readings came."""


def rows_of(data_dir, query, *values):
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        rows = connection.execute(query, values).fetchall()
    connection.close()
    return rows


SPELLED = st.sampled_from(["{:.1f}", "{:.2f}", "{:.3f}"])
PLACES = ("patient-device", "care-team-upload", "app")


@st.composite
def readings(draw):
    """Rows of one or two persons: a course with a step, gross errors, ties and copies in it."""
    count = draw(st.integers(1, 14))
    rows, level, hour = [], draw(st.integers(600, 1200)) / 10, 0
    for _ in range(count):
        hour += draw(st.sampled_from([0, 0, 3, 24, 24, 30, 24 * 400]))
        level += draw(st.sampled_from([0, 0, 0, 0, -9, 12]))
        shown = level * draw(st.sampled_from([1, 1, 1, 1, 2.2, 0.1, 9]))
        shown += draw(st.integers(-9, 9)) / 10
        day, clock = divmod(hour, 24)
        time = f"2020-{1 + day // 28 % 12:02}-{1 + day % 28:02}T{clock:02}:30:00Z"
        if clock == 0 and draw(st.booleans()):
            time = time[:10]
        user = draw(st.sampled_from(["ann", "ann", "ann", "bob"]))
        text = draw(SPELLED).format(round(shown, 1))
        rows.append((user, time, text, "kg", draw(st.sampled_from(PLACES))))
    return rows


@settings(max_examples=25)
@given(st.data())
def test_any_split_in_any_order_ends_where_one_pass_does(csv_of, store_files, fresh_dir, data):
    rows = data.draw(readings())
    mixed = data.draw(st.sampled_from([rows, None])) or data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    split_dir = fresh_dir()
    for start, stop in pairwise([0, *cuts, len(rows)]):
        if start == stop:
            continue
        store_files(split_dir, csv_of(*mixed[start:stop]))
        whole_dir = fresh_dir()
        store_files(whole_dir, csv_of(*mixed[:stop]))
        for query in RECORD_STATEMENTS:
            assert rows_of(split_dir, query) == rows_of(whole_dir, query)


def test_versions_rise_where_what_is_said_changes(store_files, csv_of, fresh_dir):
    """Later readings confirm a new level: the readings that were outliers become its first."""
    data_dir = fresh_dir()
    old = [("a", f"2024-01-{day:02}", "80") for day in range(1, 15)]
    new = [("a", f"2024-01-{day:02}", "62") for day in range(15, 22)]
    for row in (*old, *new):
        store_files(data_dir, csv_of(row))
    first = rows_of(
        data_dir,
        "select version, verdict, reason from decisions where effective_at = '2024-01-15'",
    )
    assert [version for version, *_ in first] == [1, 2]
    assert first[0][1] == "rejected"
    assert first[1][1:] == ("accepted", "ok")
    assert rows_of(
        data_dir, "select max(version) from decisions where effective_at < '2024-01-15'"
    ) == [(1,)]
    assert rows_of(data_dir, "select effective_at from level_shifts") == [("2024-01-15",)]
    assert rows_of(data_dir, "select readings, rejected, revision from users") == [(21, 0, 21)]


def test_each_version_says_something_new(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    rng = random.Random(3)
    rows = [("a", f"2024-01-{day:02}", f"{80 + rng.gauss(0, 0.3):.1f}") for day in range(2, 12)]
    rows.insert(0, ("a", "2024-01-01", "150"))  # taken for the person until others come
    for row in rows:
        store_files(data_dir, csv_of(row))
    said = rows_of(
        data_dir,
        "select measurement_id, version, verdict, reason, coalesce(suggested_kg, 0)"
        " from decisions order by 1, 2",
    )
    assert len({row[0] for row in said}) == len(rows) < len(said)
    for before, after in pairwise(said):
        if before[0] == after[0]:
            assert after[1] == before[1] + 1
            assert after[2:] != before[2:]
        else:
            assert after[1] == 1


@pytest.mark.parametrize("order", list(permutations(["80.0", "80", "80.00"])))
@pytest.mark.parametrize("at_once", [True, False])
def test_of_copies_the_smallest_spelling_stays(store_files, csv_of, fresh_dir, order, at_once):
    data_dir = fresh_dir()
    paths = [csv_of(("a", "2024-01-01 08:00", text)) for text in order]
    for some in [paths] if at_once else [[path] for path in paths]:
        outcomes = store_files(data_dir, *some).outcomes
    assert outcomes["duplicates"] == (2 if at_once else 1)
    assert rows_of(
        data_dir, "select raw_weight, name from measurements join files on files.id = file"
    ) == [("80", paths[order.index("80")].name)]
    assert rows_of(data_dir, "select readings, revision from users") == [(1, 1)]


def settings_of(**data):
    return {"data": data}


def test_too_few_readings_are_stored_undecided(store_files, csv_of, fresh_dir):
    data_dir, few = fresh_dir(), settings_of(min_readings=3)
    rows = [("a", f"2024-01-0{day}", f"8{day}") for day in (1, 2, 3, 4)]
    first = store_files(data_dir, csv_of(*rows[:2], ("b", "2024-01-01", "70")), settings=few)
    assert first.outcomes["excluded"] == 3
    assert rows_of(data_dir, "select count(*) from measurements") == [(3,)]
    assert rows_of(data_dir, "select count(*) from decisions") == [(0,)]
    second = store_files(data_dir, csv_of(rows[1], rows[2]), settings=few)
    assert (second.outcomes["accepted"], second.outcomes["duplicates"]) == (1, 1)
    whole_dir = fresh_dir()
    store_files(whole_dir, csv_of(*rows[:3]), settings=few)
    for query in RECORD_STATEMENTS[:1]:
        assert rows_of(data_dir, query) == rows_of(whole_dir, query)
    assert rows_of(data_dir, "select user_id, readings from users order by 1") == [
        ("a", 3),
        ("b", 1),
    ]


@pytest.mark.parametrize("day", ["2024-01-08", "2023-12-31"])
def test_a_reading_left_undecided_is_not_passed_over_later(store_files, csv_of, fresh_dir, day):
    """min_readings rises and falls again; the reading that came meanwhile is part of the series."""
    data_dir, whole_dir = fresh_dir(), fresh_dir()
    rows = [("a", f"2024-01-0{day}", "80") for day in range(1, 7)]
    rows += [("a", "2024-01-07", "800"), ("a", day, "80"), ("a", "2024-01-09", "80")]
    store_files(data_dir, csv_of(*rows[:7]))
    meanwhile = store_files(data_dir, csv_of(rows[7]), settings=settings_of(min_readings=99))
    assert meanwhile.outcomes["excluded"] == 1
    assert rows_of(data_dir, "select readings, rejected from users") == [(8, 1)]
    store_files(data_dir, csv_of(rows[8]))
    store_files(whole_dir, csv_of(*rows))
    for query in RECORD_STATEMENTS:
        assert rows_of(data_dir, query) == rows_of(whole_dir, query)


def test_other_parameters_do_not_go_on_from_an_old_state(store_files, csv_of, fresh_dir):
    rows = [("a", f"2024-01-0{day}", f"8{day % 2}.5") for day in range(1, 10)]
    loud = {"sources": {"scale": {"noise_kg": 5.0}}}
    data_dir, whole_dir = fresh_dir(), fresh_dir()
    store_files(data_dir, csv_of(*rows[:8]))
    store_files(data_dir, csv_of(rows[8]), settings=loud)
    store_files(whole_dir, csv_of(*rows), settings=loud)
    for query in RECORD_STATEMENTS:
        assert rows_of(data_dir, query) == rows_of(whole_dir, query)


def test_a_timezone_of_the_command_line_moves_no_stored_date(store_files, csv_of, fresh_dir):
    """A date is the same reading, at the same time, when it comes back from the store."""
    rows = [("a", f"2024-01-0{day}", f"8{day % 3}") for day in range(1, 7)]
    rows.insert(3, ("a", "2024-01-03T01:30:00Z", "80.5"))
    data_dir, whole_dir = fresh_dir(), fresh_dir()
    store_files(whole_dir, csv_of(*rows), timezone="Pacific/Auckland")
    for row in reversed(rows):
        store_files(data_dir, csv_of(row), timezone="Pacific/Auckland")
    for query in RECORD_STATEMENTS:
        assert rows_of(data_dir, query) == rows_of(whole_dir, query)


def test_batches_and_pools_make_no_difference(store_files, csv_of, fresh_dir):
    rng = random.Random(5)
    rows = [
        (
            f"u{rng.randrange(90)}",
            f"2024-{rng.randrange(1, 13):02}-{day:02}",
            f"{rng.gauss(80, 9):.1f}",
        )
        for day in range(1, 28)
        for _ in range(12)
    ]
    path = csv_of(*rows)
    seen = []
    for settings_ in (
        {},
        {"execution": {"users_per_task": 7}, "threading": {"db_write_batch_size": 1}},
        {"data": {"spill_rows": 1}},
    ):
        data_dir = fresh_dir()
        stored = store_files(data_dir, path, settings=settings_)
        seen.append((stored.outcomes, [rows_of(data_dir, query) for query in RECORD_STATEMENTS]))
        assert not list(data_dir.glob("spill/*"))
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("late", ["2024-01-14T23:00:00Z", "2024-01-15T20:00:00Z"])
def test_a_late_reading_moves_a_level_shift(store_files, csv_of, fresh_dir, late):
    """A shift begins at its first reading; when an earlier one comes, the old place is cleared."""
    rows = [("a", f"2024-01-{day:02}", "80" if day < 15 else "62") for day in range(1, 22)]
    data_dir, whole_dir = fresh_dir(), fresh_dir()
    store_files(data_dir, csv_of(*rows))
    store_files(data_dir, csv_of(("a", late, "62")))
    store_files(whole_dir, csv_of(*rows, ("a", late, "62")))
    for query in RECORD_STATEMENTS:
        assert rows_of(data_dir, query) == rows_of(whole_dir, query)
    assert rows_of(data_dir, "select count(*) from level_shifts") == [(1,)]


@pytest.mark.parametrize("text", ["79", "81", "81.0"])
def test_a_reading_at_the_time_of_the_last(store_files, csv_of, fresh_dir, text):
    """It may come before the last in the order of the series, or be the last again."""
    rows = [("a", f"2024-01-{day:02}", "81") for day in range(1, 12)]
    data_dir, whole_dir = fresh_dir(), fresh_dir()
    store_files(data_dir, csv_of(*rows))
    again = store_files(data_dir, csv_of(("a", "2024-01-11", text))).outcomes
    store_files(whole_dir, csv_of(*rows, ("a", "2024-01-11", text)))
    for query in RECORD_STATEMENTS:
        assert rows_of(data_dir, query) == rows_of(whole_dir, query)
    assert again["duplicates"] == (text != "79")


USUAL = [80.0, 80.2, 79.9, 80.1, 80.3, 79.8, 80.1]


@pytest.mark.parametrize(
    "newest",
    [
        [("08T07:30:00Z", 71.8), ("09T07:30:00Z", 72.3), ("10T07:30:00Z", 79.9)],
        [("07T20:30:00Z", 118.0), ("08", 118.3), ("08T19:30:00Z", 118.1), ("09", 80.2)],
    ],
    ids=["a level shift that is withdrawn", "open readings of the day of the state"],
)
def test_open_readings_are_judged_again_from_the_state_before_them(
    store_files, csv_of, fresh_dir, newest
):
    old = [("a", f"2024-01-{day:02}T07:30:00Z", f"{kg}") for day, kg in enumerate(USUAL, 1)]
    new = [("a", f"2024-01-{time}", f"{kg}") for time, kg in newest]
    split_dir, shifts = fresh_dir(), []
    store_files(split_dir, csv_of(*old))
    for count, row in enumerate(new, 1):
        store_files(split_dir, csv_of(row))
        whole_dir = fresh_dir()
        store_files(whole_dir, csv_of(*old, *new[:count]))
        for query in RECORD_STATEMENTS:
            assert rows_of(split_dir, query) == rows_of(whole_dir, query)
        shifts.append(len(rows_of(whole_dir, "select 1 from level_shifts")))
    if newest[0][1] < 80:
        assert max(shifts) > shifts[-1]  # else nothing was withdrawn


def test_a_reading_judged_again_from_a_state_keeps_its_change(store_files, csv_of, fresh_dir):
    """The state says nothing of the level four weeks ago."""
    data_dir, change = fresh_dir(), "select change_28d_kg, change_28d_margin_kg from decisions"
    old = [("a", f"2024-01-{day:02}T07:30:00Z", f"{80 + day % 3 / 10}") for day in range(1, 32)]
    store_files(data_dir, csv_of(*old, ("a", "2024-02-01T07:30:00Z", "71.8")))
    newest = f"{change} where effective_at = '2024-02-01T07:30:00Z' order by version desc"
    before = rows_of(data_dir, newest)[0]
    assert None not in before
    store_files(data_dir, csv_of(("a", "2024-02-02T07:30:00Z", "72.3")))
    assert rows_of(data_dir, newest)[0] == before
