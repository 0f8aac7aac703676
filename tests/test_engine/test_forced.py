"""What a person said of a reading holds, in the filter and in retro."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.test_engine.readings import SOURCES, persons, said_of, series, to_series
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch, smooth_batch
from weightstream.schema import REASONS


@pytest.mark.parametrize("judge", [filter_batch, smooth_batch])
@given(people=persons, forced=said_of)
@settings(max_examples=60, deadline=None)
def test_what_a_person_said_of_a_reading_holds(make_batch, judge, people, forced):
    batch = make_batch(*map(to_series, people), sources=SOURCES, forced=forced)
    result = judge(batch, build_model(Kalman(), {}, SOURCES))
    said = batch.forced != 0
    assert (result.accepted[said] == (batch.forced[said] > 0)).all()
    assert (result.p_valid[said] == result.accepted[said]).all()
    assert ((result.reason == REASONS.index("override")) == said).all()
    assert np.isnan(result.suggested[said]).all()
    assert np.isfinite(result.level[result.accepted]).all()
    assert (result.accepted == (result.reason == REASONS.index("ok")))[~said].all()


def test_a_reading_that_a_person_rejects_moves_nothing(make_batch, engine):
    days = series([80, 80.3, 79.8, 80.4, 80.1])
    model = build_model(Kalman(), {}, ("patient-device",))
    with_it = filter_batch(make_batch(days, forced=[0, 0, 0, -1]), model, engine=engine)
    without = filter_batch(make_batch(days[:3] + days[4:]), model, engine=engine)
    # but faint courses are dropped at each reading, at a rejected one, too
    assert with_it.level[4] == pytest.approx(without.level[3], abs=1e-4)
    assert with_it.expected[3] == pytest.approx(80, abs=0.5)
    assert with_it.p_valid[3] == 0


def test_a_reading_that_a_person_accepts_counts(make_batch, engine):
    batch = make_batch(series([80, 80.3, 79.8, 86.4, 80.1]), forced=[0, 0, 0, 1])
    result = filter_batch(batch, build_model(Kalman(), {}, ("patient-device",)), engine=engine)
    assert result.accepted[3]
    assert result.level[3] > result.level[2] + 0.5
    assert result.expected[3] == pytest.approx(80, abs=0.5)  # the prediction is made without it


def test_a_start_that_a_person_accepted_is_not_deposed(make_batch, engine):
    days = series([176.4, 80, 80.2, 79.9, 80.1])
    model = build_model(Kalman(), {}, ("patient-device",))
    assert not filter_batch(make_batch(days), model, engine=engine).accepted[0]
    assert filter_batch(make_batch(days, forced=[1]), model, engine=engine).accepted[0]


def test_retro_counts_what_a_person_said(make_batch):
    """A burst of three that would be taken back stands if a person accepts one of them."""
    kilos = [80.0, 80.2, 79.9, 80.1, 88.4, 80.0, 79.8, 80.2]
    days = [(19_000.0 + day, kg) for day, kg in enumerate(kilos)]
    model = build_model(Kalman(), {}, ("patient-device",))
    free = smooth_batch(make_batch(days), model)
    counted = smooth_batch(make_batch(days, forced=[0, 0, 0, 0, 1]), model)
    assert not free.accepted[4]
    assert counted.level[4] > free.level[4] + 0.05
    assert counted.expected[4] == pytest.approx(free.expected[4], abs=1e-3)
    left_out = smooth_batch(make_batch(days, forced=[0, -1]), model)
    without = smooth_batch(make_batch(days[:1] + days[2:]), model)
    assert np.delete(left_out.level, 1) == pytest.approx(without.level, abs=1e-3)
