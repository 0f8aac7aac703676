"""The projection is the engine's own prediction."""

import numpy as np
import pytest

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch
from weightstream.outputs.pages.outlook import outlook


def losing(readings: int):
    day = 20000.29 + np.arange(readings)
    batch = UserBatch(
        ("a",),
        np.array([0, readings]),
        day,
        np.full(readings, 7.0),
        95.0 - 0.14 * np.arange(readings),
        np.zeros(readings, np.int64),
        ("patient-device",),
    )
    model = build_model(Kalman(), {}, batch.sources)
    return filter_batch(batch, model), model


def test_a_steady_loss_goes_on_ever_more_slowly():
    out, model = losing(120)
    ahead = outlook(out.state[0], model.process)
    assert ahead.rate_lo < out.trend[-1] < ahead.rate_hi < 0
    steps = -np.diff([out.level[-1], *ahead.level_kg])
    assert np.all(steps > 0)
    assert np.all(np.diff(steps) < 0)
    assert steps[0] == pytest.approx(-out.trend[-1], rel=0.1)


def test_it_grows_less_certain_and_starts_from_what_is_known():
    out, model = losing(40)
    ahead = outlook(out.state[0], model.process)
    width = np.array(ahead.level_hi_kg) - np.array(ahead.level_lo_kg)
    assert np.all(np.diff(width) > 0)
    assert width[0] > out.level_hi[-1] - out.level_lo[-1]


def test_an_empty_state_has_no_future():
    out, model = losing(10)
    assert outlook(np.full_like(out.state[0], np.nan), model.process) is None


def test_the_state_is_left_as_it_was():
    out, model = losing(10)
    before = out.state.copy()
    outlook(out.state[0], model.process)
    assert np.array_equal(before, out.state, equal_nan=True)
