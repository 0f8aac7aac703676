"""Two persons on one account are told; one body that moves, and strangers, are not."""

import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import course_bodies, course_records  # noqa: F401 (they register courses)
from benchmarks.courses import COURSES, batch_of
from weightstream.config import Config, Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.outputs.pages.co_users import CoUsers, co_users, without_swaps
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.index import index_row
from weightstream.outputs.status import status_text
from weightstream.schema import REASONS
from weightstream.store.checksums import renew_all

OTHER = REASONS.index("other_person")


def columns_of(kg, other, first_day=19_000):
    day = first_day + np.arange(len(kg)) + 0.3
    return {
        "weight_kg": np.asarray(kg, float),
        "verdict": ["rejected" if o else "accepted" for o in other],
        "reason": ["other_person" if o else "ok" for o in other],
        "effective_at": [f"{t}Z" for t in (day * 86_400).astype("datetime64[s]")],
    }, day


def household(readings, share, kg=(80.0, 62.0), rejected=True, seed=1, loss=0.0):
    """A person and who else is weighed: at random, a share of the days."""
    rng = np.random.default_rng(seed)
    other = rng.random(readings) < share
    own = kg[0] - loss * np.arange(readings)
    weights = np.where(other, kg[1], own) + rng.normal(0, 0.5, readings)
    return columns_of(weights, other if rejected else np.zeros(readings, bool))


@pytest.mark.parametrize(("share", "loss"), [(0.5, 0.0), (0.1, 0.0), (0.2, 0.05)])
def test_who_comes_again_among_the_readings_is_told(share, loss):
    columns, day = household(240, share, loss=loss)
    found = co_users(columns, day)
    assert found.kg[0] == pytest.approx(80.0 - loss * 235, abs=0.6)
    assert found.kg[1] == pytest.approx(62.0, abs=0.6)
    assert found.count[1] / sum(found.count) == pytest.approx(share, abs=0.06)
    assert not found.mixed


def test_readings_that_the_judge_mixes_up_are_told_too():
    columns, day = household(160, 0.5, kg=(78.0, 72.0))
    rng = np.random.default_rng(2)
    wrong = rng.random(160) < 0.4  # what is whose is hardly better than a guess
    for i in np.flatnonzero(wrong):
        was = columns["verdict"][i] == "accepted"
        columns["verdict"][i] = "rejected" if was else "accepted"
        columns["reason"][i] = "other_person" if was else "ok"
    found = co_users(columns, day)
    assert sorted(found.kg) == pytest.approx([72.0, 78.0], abs=0.6)
    assert found.mixed


def test_what_the_judge_calls_no_other_person_is_one_body():
    assert co_users(*household(160, 0.5, rejected=False)) is None


def test_a_visit_is_no_second_user():
    kg = np.full(120, 80.0)
    other = np.zeros(120, bool)
    kg[50:62], other[50:62] = 62.0, True  # twelve days and never again
    assert co_users(*columns_of(kg, other)) is None


def test_strangers_of_any_weight_are_nobody():
    rng = np.random.default_rng(4)
    other = rng.random(200) < 0.3
    kg = np.where(other, rng.uniform(40, 140, 200), 80.0 + rng.normal(0, 0.4, 200))
    assert co_users(*columns_of(kg, other)) is None


def test_who_left_more_than_a_year_ago_is_gone():
    columns, day = household(200, 0.3)
    later, days = columns_of(
        80 + np.random.default_rng(1).normal(0, 0.4, 400), [False] * 400, 19_200
    )
    joined = {name: [*columns[name], *later[name]] for name in columns}
    assert co_users(joined, np.concatenate([day, days])) is None


def judged(name, seed):
    """What is stored of a course of the benchmark."""
    series = COURSES[name](np.random.default_rng(seed))
    batch = batch_of([series])
    out = smooth_batch(batch, build_model(Kalman(), {}, batch.sources))
    other = (out.reason == OTHER) & ~out.accepted
    verdict = np.where(out.accepted, "accepted", "rejected")
    at = [f"{t}Z" for t in (batch.day * 86_400).astype("datetime64[s]")]
    reason = np.where(other, "other_person", np.where(out.accepted, "ok", "outlier"))
    columns = {"weight_kg": batch.weight_kg, "verdict": verdict.tolist(), "effective_at": at}
    return columns | {"reason": reason.tolist()}, batch.day


@pytest.mark.parametrize(
    ("name", "weights", "least"),
    [("two_people_84_62", (84, 62), 6), ("two_people_78_72", (78, 72), 4)],
)
def test_two_people_of_the_benchmark_are_told(name, weights, least):
    """0.1 said nothing, and "Losing" of a level that went from one to the other."""
    told = [co_users(*judged(name, seed)) for seed in range(6)]
    known = [sorted(one.kg) for one in told if one is not None]
    assert len(known) >= least  # where they are near, the judge may call both one body
    assert np.abs(np.array(known) - sorted(weights)).max() < 2.5  # they wander


def test_no_other_course_of_the_benchmark_is_two_people():
    two = ("two_people", "rivals")
    others = [name for name in COURSES if not name.startswith(two)]
    assert len(others) > 35
    assert [name for name in others if co_users(*judged(name, 3)) is not None] == []


def test_no_change_is_told_of_a_level_that_is_of_two(make_person):
    """0.1 said "Losing: -5.3 kg" where the level went from one person to the other."""
    person = make_person(60, 1)
    assert index_row(person)["direction"] is not None
    assert index_row(person)["shared"] is None
    for mixed in (False, True):
        shared = CoUsers((78.0, 72.0), (30, 20), "2024-01-01", 1.5, mixed)
        row = index_row(replace(person, shared=shared))
        assert row["shared"] == (78.0, 72.0, 30, 20)
        assert (row["direction"] is None) == mixed
        assert (row["change_28d_kg"] is None) == mixed


def test_status_names_accounts_that_are_shared(store_files, csv_of, fresh_dir):
    columns, _ = household(120, 0.25, kg=(84.0, 61.0))
    each = zip(columns["effective_at"], columns["weight_kg"], strict=True)
    rows = [("ann", at, f"{kg:.1f}") for at, kg in each]
    folder = fresh_dir()
    store_files(folder, csv_of(*rows))
    with closing(sqlite3.connect(folder / "weightstream.db")) as connection, connection:
        # as retro names them
        connection.execute("update decisions set reason = 'other_person' where reason = 'outlier'")
        renew_all(connection)
    config = Config.model_validate({"data": {"data_dir": folder}})
    told = status_text(config)
    assert re.search(
        r"share\n  ann: about 8\d\.\d kg \(\d\d readings since 2022-.* and 6\d\.\d kg", told
    ), told


def alert(columns, row, change):
    return Alert(columns["effective_at"][row], "rapid_gain", 3.0, change, 0.9)


def test_a_swap_is_no_gain_and_a_gain_is_one():
    columns, day = household(160, 0.3, kg=(78.0, 72.0))
    shared = co_users(columns, day)
    own = columns["verdict"].index("accepted", 100)
    columns["weight_kg"][own] = 78.0
    swap, gain = alert(columns, own, 6.0), alert(columns, own, 2.5)
    assert without_swaps([swap, gain], shared, columns) == [gain]
    columns["weight_kg"][own] = 83.0  # above both
    assert without_swaps([alert(columns, own, 5.0)], shared, columns) != []
    assert without_swaps([swap], None, columns) == [swap]
