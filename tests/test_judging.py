import sqlite3
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

SAID = (
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


@settings(max_examples=40)
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
        for query in SAID:
            assert rows_of(split_dir, query) == rows_of(whole_dir, query)
