"""The projection goes on from the level that stands."""

import numpy as np
import pytest

from weightstream.engine.model import Process
from weightstream.outputs.pages.outlook import outlook

PROCESS = Process()


def test_a_steady_loss_goes_on_ever_more_slowly():
    ahead = outlook(80.0, 79.5, 80.5, -0.7, PROCESS)
    steps = -np.diff([80.0, *ahead.level_kg])
    assert np.all(steps > 0)
    assert np.all(np.diff(steps) < 0)
    assert steps[0] == pytest.approx(0.7 * np.exp(-7 / PROCESS.trend_days), rel=1e-3)


def test_it_grows_less_certain_and_starts_from_what_is_known():
    ahead = outlook(80.0, 79.5, 80.5, 0.0, PROCESS)
    width = np.array(ahead.level_hi_kg) - np.array(ahead.level_lo_kg)
    assert np.all(np.diff(width) > 0)
    assert 1.0 < width[0] < 3.0
    assert np.allclose(ahead.level_kg, 80.0)
