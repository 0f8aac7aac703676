"""The benchmarks beside the main one: what each term is worth, and what nobody could name."""

import numpy as np
import pytest

from benchmarks.bound import (
    GRID,
    bound,
    least,
    luggage_density,
    population,
    strangers,
    with_housemates,
)
from benchmarks.streams import Stream, labelled_stream
from benchmarks.terms import gains, halves


@pytest.fixture(scope="module")
def home() -> Stream:
    return labelled_stream("home_daily", 1, 12)


def test_halves_share_no_person_and_hold_every_reading(home: Stream) -> None:
    halved = halves(home.batch)
    weighed = [
        {u for u, count in zip(half.user_ids, np.diff(half.indptr), strict=True) if count}
        for half in halved
    ]
    assert not weighed[0] & weighed[1]
    assert sum(len(half.day) for half in halved) == len(home.batch.day)
    for half in halved:
        assert half.indptr[-1] == len(half.day) == len(half.source)


def test_the_hour_pays_where_it_is_known(home: Stream) -> None:
    known = gains(home.batch)
    assert known["all"] == 0.0
    assert known["no hour"] < -50
    assert known["none of them"] < known["no hour"]


def test_densities_of_the_bound_are_densities(home: Stream) -> None:
    step = GRID[1] - GRID[0]
    right = np.full(len(GRID), 82.0)
    people = population(home)
    possible = np.abs(GRID - 82.0) >= least(right)
    assert people.sum() * step == pytest.approx(1.0)
    assert luggage_density(GRID, right)[possible].sum() * step == pytest.approx(1.0, abs=0.03)
    assert strangers(GRID, right, people)[possible].sum() * step == pytest.approx(1.0, abs=0.01)


def test_readings_of_one_housemate_tell_of_each_other(home: Stream) -> None:
    y = np.array([60.0, 61.0, 60.5, 59.7, 60.2, 75.0])
    luggage = np.full(6, 0.01)
    people = np.full(len(GRID), 1 / (GRID[-1] - GRID[0]))
    alone = with_housemates(np.arange(6), y, luggage, 0.5, people)
    together = with_housemates(np.zeros(6, np.int64), y, luggage, 0.5, people)
    assert alone.tolist() == [False] * 6
    assert together.tolist() == [True] * 5 + [False]


def test_the_bound_counts_every_error_once(home: Stream) -> None:
    found = bound(home)
    of_kind = np.isin(home.error.astype(str), ("other_person", "outlier"))
    assert found.alike == of_kind.sum() < found.errors
    assert 0 < found.told <= found.alike
