"""The level between readings, against the process written out as a Gaussian vector."""

import numpy as np
import pytest

from weightstream.engine.model import PRIOR
from weightstream.engine.process import USUAL_KG
from weightstream.levels_at import LevelSeries, level_at, readings_near, variogram

P = PRIOR.process


def covariance(days):
    """Of a walk that starts at day 0 and a Matérn-3/2 swing, at some days."""
    d = np.asarray(days, float)
    turns = np.abs(d[:, None] - d[None, :]) / P.trend_days
    swing = (P.trend_kg_per_week / 7 * P.trend_days) ** 2 * (1 + turns) * np.exp(-turns)
    return P.level_kg2_per_day * np.minimum(d[:, None], d[None, :]) + swing


@pytest.mark.parametrize(("target", "last"), [(1.0, 2.0), (40.0, 300.0), (299.0, 300.0)])
def test_between_two_known_levels_it_is_that_of_the_process_given_both(target, last):
    start = 1e7  # long after the walk began: nothing is known of the level but the two ends
    full = covariance([start, start + target, start + last])
    ends, cross = full[np.ix_([0, 2], [0, 2])], full[1, [0, 2]]
    weights = np.linalg.solve(ends, cross)
    series = LevelSeries(
        np.array([0, 2]), np.array([0.0, last]), np.array([USUAL_KG, 80.0]), np.zeros(2)
    )
    kg, sd = level_at(series, np.array([target]), P)
    expected = USUAL_KG + weights[1] / weights.sum() * (80.0 - USUAL_KG)
    assert kg[0] == pytest.approx(expected, abs=1e-3)
    assert sd[0] ** 2 == pytest.approx(full[1, 1] - weights @ cross, rel=1e-2, abs=1e-3)


def test_a_level_has_its_own_sd_at_its_reading_and_more_beyond():
    series = LevelSeries(
        np.array([0, 2]), np.array([0.0, 10.0]), np.full(2, USUAL_KG), np.full(2, 0.3)
    )
    at, beyond = (level_at(series, np.array([day]), P)[1][0] for day in (10.0, 40.0))
    assert at == pytest.approx(0.3)
    added = variogram(np.array([30.0]), np.array([USUAL_KG]), P)[0]
    assert beyond == pytest.approx(np.sqrt(0.09 + added))


def test_persons_do_not_mix_and_who_has_nothing_has_no_level():
    series = LevelSeries(
        np.array([0, 2, 2, 3]), np.array([5.0, 6.0, 5.5]), np.array([70.0, 71.0, 90.0]), None
    )
    kg, _ = level_at(series, np.array([5.4, 5.4, 5.4]), P)
    assert kg[[0, 2]].tolist() == [70.0, 90.0]
    assert np.isnan(kg[1])
    assert readings_near(series, np.array([4.0, 5.0, 7.5]), 1).tolist() == [1, 0, 0]
    assert readings_near(series, np.array([4.9, 5.0, 6.5]), 1).tolist() == [1, 0, 1]
    assert readings_near(series, np.array([4.9, 5.0, 6.5]), 2).tolist() == [2, 0, 1]
