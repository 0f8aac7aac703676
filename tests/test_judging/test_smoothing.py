"""Retro over stored persons: what it writes, what it leaves alone, and that order is forgotten."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.config import Config
from weightstream.engine.model import PRIOR
from weightstream.judging.causal import Judging
from weightstream.judging.smoothing import retro_counts_of, smooth_persons
from weightstream.store.connection import open_writer
from weightstream.store.stored_persons import StoredPersons

ROWS = [
    ("a", f"2024-01-{day:02}T07:00:00Z", f"{80 + day / 50:.2f}") for day in range(1, 21) if day != 9
] + [("a", "2024-01-09T07:00:00Z", "176.4"), ("b", "2024-01-01", "60.0"), ("b", "2024-02-01", "61")]


def judging(min_readings=1, parameters=PRIOR):
    return Judging(Config().kalman, {}, parameters, "UTC", min_readings)


def test_every_decision_is_of_retro_afterwards_and_nobody_is_dirty(
    data_dir, csv_of, store_files, smooth, rows_of
):
    store_files(data_dir, csv_of(*ROWS))
    dirty, _ = smooth(data_dir)
    assert dirty == ["a", "b"]
    assert rows_of(data_dir, "select distinct stage from current_decisions") == [("retro",)]
    assert rows_of(data_dir, "select count(*) from users where dirty") == [(0,)]
    verdicts = dict(rows_of(data_dir, "select raw_weight, verdict from current_decisions"))
    assert verdicts["176.4"] == "rejected"
    assert set(verdicts.values()) == {"accepted", "rejected"}


def test_under_new_parameters_the_filter_can_be_gone_on_from(
    data_dir, csv_of, store_files, smooth, rows_of
):
    states = "select basis, settled, state from user_states where user_id = 'a'"
    store_files(data_dir, csv_of(*ROWS))
    before = rows_of(data_dir, states)
    smooth(data_dir)
    assert rows_of(data_dir, states) == before  # nothing was wrong with it
    new = judging(parameters=replace(PRIOR, name="learnt", unknown=PRIOR.sources["patient-device"]))
    store_files(data_dir, csv_of(("a", "2024-02-01", "80.5")))
    smooth(data_dir, new)
    ((basis, settled, state),) = rows_of(data_dir, states)
    assert (basis, settled) == (new.fingerprint, 1)
    assert state != before[0][2]


def test_decisions_name_the_parameters_they_were_last_made_by(
    data_dir, csv_of, store_files, smooth, rows_of
):
    """Also where there is no figure that could change."""
    store_files(data_dir, csv_of(*ROWS, ("c", "2024-01-01", "900"), ("c", "2024-01-02", "901")))
    smooth(data_dir)
    with open_writer(data_dir) as connection:
        connection.execute("update users set dirty = 1")
    smooth(data_dir, judging(parameters=replace(PRIOR, name="learnt")))
    models = "select user_id, count(*) from current_decisions where model = 'learnt' group by 1"
    assert rows_of(data_dir, models) == [("a", 20), ("b", 2), ("c", 2)]


def test_a_second_retro_has_nothing_to_do(data_dir, csv_of, store_files, tables, smooth):
    store_files(data_dir, csv_of(*ROWS))
    smooth(data_dir)
    before = {name: rows for name, rows in tables(data_dir).items() if name != "runs"}
    dirty, _ = smooth(data_dir)
    assert dirty == []
    assert {name: rows for name, rows in tables(data_dir).items() if name != "runs"} == before


def test_a_version_is_added_only_where_the_decision_says_something_else(
    data_dir, csv_of, store_files, smooth, rows_of
):
    store_files(data_dir, csv_of(*ROWS))
    said = "select measurement_id, verdict, reason, suggested_kg from decisions where version = "
    before = {row[0]: row[1:] for row in rows_of(data_dir, said + "1")}
    smooth(data_dir)
    second = {row[0]: row[1:] for row in rows_of(data_dir, said + "2")}
    assert all(before[which] != now for which, now in second.items())
    assert {row[0]: row[1:] for row in rows_of(data_dir, said + "1")} == before


def test_what_moves_is_written_whole(data_dir, csv_of, store_files, rows_of):
    """Rows are replaced: a column that is left out would lose what it holds."""
    store_files(data_dir, csv_of(*ROWS))
    with open_writer(data_dir) as connection:
        decided = smooth_persons(["a"], StoredPersons(connection), judging(), 1)
    columns = {
        name for (name,) in rows_of(data_dir, "select name from pragma_table_info('decisions')")
    }
    assert len(decided.estimates.part(0, 1)["version"]) > 1
    # The one only where a reading was moved, the other when it is written.
    assert {*decided.estimates.columns, "received_user", "checksum"} == columns


def test_a_standing_version_stays_the_one_of_the_run_that_said_it(
    data_dir, csv_of, store_files, smooth, rows_of
):
    store_files(data_dir, csv_of(*ROWS[:10]))
    store_files(data_dir, csv_of(*ROWS[10:]))
    versions = "select measurement_id, version, run, verdict, reason from decisions order by 1, 2"
    before = set(rows_of(data_dir, versions))
    assert len({run for _, _, run, *_ in before}) == 2
    smooth(data_dir)
    assert before <= set(rows_of(data_dir, versions))
    figures = "select level_kg from current_decisions where verdict = 'accepted' and user_id = 'a'"
    assert len(set(rows_of(data_dir, figures))) == 19  # they did move


def test_an_ingest_leaves_what_retro_decided(data_dir, csv_of, store_files, smooth, rows_of):
    store_files(data_dir, csv_of(*ROWS))
    smooth(data_dir)
    decided = "select * from decisions where stage = 'retro' order by 1, 2, 3, 4"
    before = rows_of(data_dir, decided)
    late = csv_of(("a", "2024-01-05T19:00:00Z", "80.9"))
    store_files(data_dir, late)
    assert rows_of(data_dir, decided) == before
    causal = "select count(*) from decisions where stage = 'causal' and raw_weight = '80.9'"
    causal = causal.replace("decisions", "current_decisions")
    assert rows_of(data_dir, causal) == [(1,)]
    assert smooth(data_dir)[0] == ["a"]


def test_persons_with_too_few_readings_are_left_alone(
    data_dir, csv_of, store_files, smooth, rows_of
):
    store_files(data_dir, csv_of(*ROWS))
    before = rows_of(data_dir, "select * from decisions where user_id = 'b'")
    smooth(data_dir, judging(min_readings=5))
    assert rows_of(data_dir, "select * from decisions where user_id = 'b'") == before
    assert rows_of(data_dir, "select user_id from users where dirty") == [("b",)]


def test_own_rows_that_change_sides_are_counted(data_dir, csv_of, store_files, rows_of):
    """What an ingest reports as accepted is what stands after its retro."""
    store_files(data_dir, csv_of(("a", "2024-01-01T07:00:00Z", "176.0")))
    run = rows_of(data_dir, "select max(run) from measurements")[0][0]
    standing = "select measurement_id, verdict = 'accepted' from current_decisions"
    before = dict(rows_of(data_dir, standing))
    store_files(data_dir, csv_of(*ROWS))
    with open_writer(data_dir) as connection:
        own = "measurement_id in (select measurement_id from measurements where run = ?)"
        connection.execute(f"update decisions set verdict = 'accepted' where {own}", (run,))
        decided = smooth_persons(["a", "b"], StoredPersons(connection), judging(), run)
    assert len(before) == 1
    assert int(decided.net_accepted.sum()) == -1  # of that run's one row, and of no other's


@settings(max_examples=12)
@given(data=st.data())
def test_order_and_splits_are_forgotten(data, fresh_dir, csv_of, store_files, smooth, exported):
    once, many = fresh_dir(), fresh_dir()
    store_files(once, csv_of(*ROWS))
    smooth(once)
    shuffled = data.draw(st.permutations(ROWS))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(ROWS) - 1), max_size=3)))
    for start, stop in zip([0, *cuts], [*cuts, len(ROWS)], strict=True):
        if start < stop:
            store_files(many, csv_of(*shuffled[start:stop]))
            if data.draw(st.booleans()):
                smooth(many)
    smooth(many)
    assert exported(many) == exported(once)


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[-2:]])
def test_few_readings_are_smoothed_too(data_dir, csv_of, store_files, rows, smooth, rows_of):
    store_files(data_dir, csv_of(*rows))
    smooth(data_dir)
    assert rows_of(data_dir, "select count(*) from current_decisions where stage = 'retro'") == [
        (len(rows),)
    ]


def test_what_changed_is_counted_for_each_person():
    user = np.array([0, 0, 0, 1, 1, 2])
    net = np.array([1, -1, -1, 0, 0, 1])
    standing = np.array([80.0, 70.0, np.nan])
    counts = retro_counts_of(user, net, standing, np.array([80.09, 70.11, 60.0]))
    assert counts.tolist() == [[1, 3, 2, 1, 0], [1, 2, 0, 0, 1], [1, 1, 0, 1, 0]]
