import numpy as np
import pytest

from weightstream.growth import AGE_DAYS, LOG_MEDIAN, age_of, expected_rise, log_median


def test_medians_rise_at_every_age_and_are_the_published_ones() -> None:
    for medians in LOG_MEDIAN.values():
        assert len(medians) == len(AGE_DAYS)
        assert (np.diff(medians) > 0).all()
    assert (np.diff(AGE_DAYS) > 0).all()
    assert np.exp(log_median(365, "male")) == pytest.approx(9.65)
    assert np.exp(log_median(365, "female")) == pytest.approx(8.95)
    assert 8.95 < np.exp(log_median(365)) < 9.65
    assert np.exp(log_median(20 * 365.25, "male")) == pytest.approx(70.6)


def test_grown_ups_do_not_grow_and_no_age_is_no_answer() -> None:
    assert expected_rise(25 * 365, 60 * 365) == (0.0, 0.0)
    assert np.isnan(log_median(np.nan))


def test_a_light_child_is_expected_to_gain_in_proportion() -> None:
    rise, sd = expected_rise(122, 365, "male")
    assert 6.0 * np.exp(rise) == pytest.approx(6.0 * 9.65 / 7.01)
    assert 0.05 < sd < 0.1


def test_the_age_that_a_weight_says_gives_that_weight_back() -> None:
    kg = np.array([4.0, 9.0, 12.0, 24.0, 50.0])
    assert np.exp(log_median(age_of(kg))) == pytest.approx(kg)
    assert age_of(2.0) == 0.0
    assert age_of(90.0) == AGE_DAYS[-1]
