import numpy as np
import pytest

from weightstream.batch import UserBatch
from weightstream.engine.change import CHANGE_DAYS, changes
from weightstream.engine.model import Process
from weightstream.movement import usual_variance
from weightstream.schema import Z95

NOISE_KG = 0.8
PROCESS = Process(trend_kg_per_week=1e-6)
"""Without a swing a level is a random walk, of which `changes` is exact."""


def covariance(a, b, process):
    """Of levels at days a and b since a day 0 on which nothing is known."""
    shared = usual_variance(a[:, None], process) + usual_variance(b[None, :], process)
    return 1e4 + 0.5 * (shared - usual_variance(np.abs(a[:, None] - b[None, :]), process))


def posterior(day, kg, at, process):
    """Mean and covariance of levels at some days, by the readings, without a filter."""
    precision = np.linalg.inv(covariance(day, day, process) + NOISE_KG**2 * np.eye(len(day)))
    cross = covariance(at, day, process)
    mean = kg[0] + cross @ precision @ (kg - kg[0])
    return mean, covariance(at, at, process) - cross @ precision @ cross.T


def exact(day, kg, process, row):
    """Change until a reading and its margin."""
    at = np.array([day[row] - CHANGE_DAYS, day[row]])
    mean, joint = posterior(day, kg, at, process)
    return mean[1] - mean[0], Z95 * np.sqrt(joint[0, 0] + joint[1, 1] - 2 * joint[0, 1])


def batch_of(*series):
    days = np.concatenate([day for day, _ in series])
    indptr = np.cumsum([0, *(len(day) for day, _ in series)])
    nothing = np.full(len(days), np.nan)
    users = tuple(f"u{at}" for at in range(len(series)))
    kg = np.concatenate([kg for _, kg in series])
    return UserBatch(users, indptr, days, nothing, kg, np.zeros(len(days), np.int64), ("a",))


def estimates(day, kg, process):
    """Levels, their SDs, and the SDs by earlier readings and the one itself."""
    mean, joint = posterior(day, kg, day, process)
    upto = [posterior(day[: n + 1], kg[: n + 1], day, process)[1][n, n] for n in range(len(day))]
    return mean, np.sqrt(np.diag(joint)), np.sqrt(np.array(upto))


DAYS = {
    "every day": np.arange(1.0, 60.0),
    "every three weeks": np.arange(1.0, 400.0, 21.0),
    "twice a year": np.arange(1.0, 900.0, 180.0),
    "now and then": np.array([1.0, 3.0, 40.0, 41.0, 90.0, 300.0, 305.0, 333.0, 340.0]),
}


@pytest.mark.parametrize("name", DAYS)
def test_the_interval_of_a_random_walk_is_that_of_both_ends_together(name):
    day = DAYS[name]
    kg = 85.0 + np.random.default_rng(1).normal(0, 1, len(day)).cumsum()
    other = np.array([5.0, 6.0]), np.array([60.0, 61.0])
    own = estimates(day, kg, PROCESS)
    # body_size is 1 at 85 kg
    level = np.full(len(day), 85.0)
    batch = batch_of((day, kg), other)
    joined = [np.append(values, [1.0, 1.0]) for values in (level, *own[1:])]
    _, margin = changes(batch, *joined, PROCESS)
    for row in np.flatnonzero(day - day[0] >= CHANGE_DAYS):
        assert margin[row] == pytest.approx(exact(day, kg, PROCESS, row)[1], rel=0.01)
    assert np.isnan(margin[-2:]).all()


@pytest.mark.parametrize("name", DAYS)
def test_with_a_swing_the_interval_is_nearly_so(name):
    day, process = DAYS[name], Process()
    kg = 85.0 + np.random.default_rng(2).normal(0, 0.3, len(day)).cumsum()
    change, margin = changes(batch_of((day, kg)), *estimates(day, kg, process), process)
    for row in np.flatnonzero(day - day[0] >= CHANGE_DAYS):
        wanted = exact(day, kg, process, row)
        assert 0.85 < margin[row] / wanted[1] < 1.3
        assert change[row] == pytest.approx(wanted[0], abs=0.3 * wanted[1])


def test_others_in_the_batch_change_no_bit():
    day, process = DAYS["now and then"], Process()
    kg = 85.0 + np.random.default_rng(3).normal(0, 1, len(day)).cumsum()
    own = estimates(day, kg, process)
    alone = changes(batch_of((day, kg)), *own, process)
    both = [np.concatenate([values * 0.7, values]) for values in own]
    beside = changes(batch_of((day, kg), (day, kg)), *both, process)
    for one, two in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one, two[len(day) :])


def test_a_first_reading_of_which_the_filter_knew_nothing_leaves_the_margins():
    day, process = DAYS["every three weeks"], Process()
    kg = 85.0 + np.random.default_rng(4).normal(0, 1, len(day)).cumsum()
    mean, sd, filtered = estimates(day, kg, process)
    filtered[0] = np.nan
    change, margin = changes(batch_of((day, kg)), mean, sd, filtered, process)
    np.testing.assert_array_equal(np.isnan(margin), np.isnan(change))
