"""What comes from both sides of a reading, joined, is what all other readings say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream.config import Kalman
from weightstream.engine import build_model, pairs, process
from weightstream.engine.records import COURSE
from weightstream.engine.retro import COVARIANCES, MEANS, SIDE_SIZE

HOME = ("patient-device",)


def dense(days, p):
    """Covariance of r + x and w at N times, with r wide at first: (N, N) of the level, of water."""
    gap = np.abs(days[:, None] - days[None, :])
    rate = p["trend_rate"][0]
    swing = p["trend_var"][0] / rate**2 * (1 + rate * gap) * np.exp(-rate * gap)
    walk = 1e7 + p["level_noise"][0] * np.minimum(days[:, None] - days[0], days[None, :] - days[0])
    return walk + swing, p["water_var"][0] * np.exp(-gap / p["water_days"][0])


def ran(days, kg, noise, p):
    c = np.zeros(1, COURSE)
    c["scale"] = c["label"] = 1.0
    process.begin(c[0], days[0], kg[0], 1.0, noise, p[0])
    for day, value in zip(days[1:-1], kg[1:], strict=True):
        process.advance(c[0], day, p[0])
        residual = value - c["r"][0] - c["x"][0] - c["w"][0]
        process.update(c[0], residual, process.spread(c[0], 1.0) + noise, 1.0)
    process.advance(c[0], days[-1], p[0])
    return c


@given(
    st.lists(st.floats(0.05, 40.0), min_size=2, max_size=4),
    st.lists(st.floats(0.05, 40.0), min_size=2, max_size=4),
    st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_two_sides_joined_are_the_conditional_of_the_joint_normal(before, after, seed):
    p = build_model(Kalman(), {}, HOME).process
    now = sum(before)
    days = np.r_[np.r_[0.0, np.cumsum(before)][:-1], now, now + np.cumsum(after)]
    at, noise = len(before), 0.3
    # One size of body throughout, which the dense oracle presumes.
    kg = 85.0 + 1e-3 * np.random.default_rng(seed).normal(size=len(days))
    f = ran(days[: at + 1], kg[:at], noise, p)
    b = ran(days[at:][::-1], kg[at + 1 :][::-1], noise, p)
    sides = np.zeros((2, SIDE_SIZE))
    joint, scratch = np.zeros(16), np.zeros(10)
    pairs.put_course(sides[0], f[0], 1.0, 85.0, scratch)
    pairs.put_course(sides[1], b[0], -1.0, 85.0, scratch)
    pairs.join(sides[0], sides[1], p[0], joint, scratch)
    level, water = dense(days, p)
    others = np.arange(len(days)) != at
    readings = level + water + noise * np.eye(len(days))
    gain = np.linalg.solve(readings[np.ix_(others, others)], level[others, at])
    mean = 85.0 + gain @ (kg - 85.0)[others]
    variance = level[at, at] - gain @ level[others, at]
    c = joint[COVARIANCES : COVARIANCES + 10]
    assert 85.0 + joint[MEANS] + joint[MEANS + 1] == pytest.approx(mean, abs=1e-4)
    assert c[0] + 2 * c[1] + c[4] == pytest.approx(variance, rel=1e-3)


def test_the_inverse_says_where_there_is_none():
    out = np.zeros(10)
    assert np.isnan(pairs.invert(np.zeros(10), 0, out, 0))
    a = np.random.default_rng(0).normal(size=(4, 4))
    a = a @ a.T + np.eye(4)
    assert pairs.invert(a[np.triu_indices(4)], 0, out, 0) == pytest.approx(np.linalg.slogdet(a)[1])
    np.testing.assert_allclose(out, np.linalg.inv(a)[np.triu_indices(4)], rtol=1e-9)
