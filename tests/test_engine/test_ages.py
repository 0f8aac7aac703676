"""What a known birth date and sex change in what is expected of a person."""

from dataclasses import fields

import numpy as np
import pytest

from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch, smooth_batch
from weightstream.engine.reference import plain
from weightstream.growth import YEAR_DAYS, expected_rise, log_median
from weightstream.schema import REASONS

BORN = 15_000.0
CLINIC = ("care-team-upload",)


def judged(run, batch):
    return run(batch, build_model(Kalman(), {}, batch.sources))


def at_ages(*readings):
    return [(BORN + years * YEAR_DAYS, kg, 0, np.nan) for years, kg in readings]


@pytest.mark.parametrize(("sex", "name"), [(0, None), (1, "male"), (2, "female")])
@pytest.mark.parametrize("run", [filter_batch, smooth_batch])
def test_a_youth_is_expected_to_grow_as_the_median_of_age_and_sex(make_batch, run, sex, name):
    first, then = np.exp(log_median(np.array([12, 14]) * YEAR_DAYS, name))
    youth = at_ages((12, first), (14, then))
    batch = make_batch(youth, sources=CLINIC, born=[BORN], sex=[sex])
    result = judged(run, batch)
    assert result.expected[-1] == pytest.approx(then, abs=0.6)
    unknown = judged(run, make_batch(youth, sources=CLINIC))
    assert unknown.expected[-1] == pytest.approx(first, abs=0.6)


@pytest.mark.parametrize(("years", "kg"), [(30, 25.0), (3, 80.0)])
def test_neither_grown_persons_nor_those_of_another_age_grow(make_batch, years, kg):
    series = at_ages(*((years + at / 4, kg) for at in range(8)))
    result = judged(smooth_batch, make_batch(series, sources=CLINIC, born=[BORN], sex=[0]))
    assert result.accepted.all()
    assert np.abs(result.expected[1:-1] - kg).max() < 1.5


def test_an_age_tells_which_of_the_first_readings_is_right(make_batch):
    newborn = at_ages((0.01, 32.0), (0.02, 3.3))
    known = judged(smooth_batch, make_batch(newborn, sources=CLINIC, born=[BORN], sex=[0]))
    assert known.accepted.tolist() == [False, True]
    assert REASONS[known.reason[0]] == "decimal_shift"
    assert known.suggested[0] == pytest.approx(3.2)
    grown = judged(filter_batch, make_batch(newborn[:1], sources=CLINIC, born=[BORN], sex=[0]))
    assert grown.p_valid[0] < 0.5
    assert judged(filter_batch, make_batch(newborn[:1], sources=CLINIC)).p_valid[0] > 0.5


@pytest.mark.parametrize("run", [filter_batch, smooth_batch])
def test_an_age_concerns_its_person_alone(make_batch, run):
    child, other = at_ages((9, 28.0), (11, 36.0), (13, 46.0)), at_ages((9, 20.0), (10, 23.0))
    both = make_batch(
        other, child, other, sources=CLINIC, born=[np.nan, BORN, np.nan], sex=[0, 1, 0]
    )
    together, alone = judged(run, both), judged(run, make_batch(other, sources=CLINIC))
    for field in fields(alone):
        if len(getattr(together, field.name)) == 7:
            ours = getattr(together, field.name)[[0, 1, 5, 6]]
            wanted = np.tile(getattr(alone, field.name), 2)
            np.testing.assert_array_equal(ours, wanted, err_msg=field.name)


def test_growth_goes_on_to_the_twentieth_birthday(make_batch):
    batch = make_batch(at_ages((12, 41.0), (21, 69.0)), sources=CLINIC, born=[BORN], sex=[1])
    assert judged(filter_batch, batch).expected[-1] == pytest.approx(71.0, abs=2.0)


def test_a_child_seen_again_as_a_grown_person_was_light_indeed(make_batch):
    """The later reading is far, and of a body that grows: nothing against two that agree."""
    series = at_ages((8.0, 26.2), (8.01, 24.8), (19.5, 70.0))
    result = judged(smooth_batch, make_batch(series, sources=CLINIC, born=[BORN], sex=[1]))
    assert result.accepted.all()
    assert result.level[1] == pytest.approx(25.5, abs=1.5)


@pytest.mark.parametrize("run", [filter_batch, smooth_batch])
def test_a_body_far_too_heavy_for_its_age_has_a_wrong_birth_date(make_batch, run):
    series = at_ages(*((9 + 2 * at, 80.0) for at in range(6)))
    assert judged(run, make_batch(series, sources=CLINIC, born=[BORN], sex=[0])).accepted.all()


@pytest.mark.parametrize("ages", [(0, 0.33), (0, 1), (0, 7), (8, 19)])
def test_a_rise_scatters_as_the_references_have_it_whichever_way_time_runs(ages):
    rise, sd = expected_rise(*(np.array(ages) * YEAR_DAYS), "male")
    small = 10.0
    large = small * np.exp(rise)
    for level, end in ((small, large), (large, small)):
        variance = plain()["growth_curve"].growth_variance(level, end - level)
        assert np.sqrt(variance) == pytest.approx(end * sd)
