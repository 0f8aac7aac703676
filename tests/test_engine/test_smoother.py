"""The retro engine: against a dense Gaussian oracle, and what it must decide."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.courses import batch_of, drawn
from tests.test_engine.readings import SOURCES, TWO, names, person, series, to_series
from weightstream.config import Kalman, Source
from weightstream.engine import build_model, filter_batch, smooth_batch
from weightstream.engine.mixture import LB
from weightstream.schema import REASONS

HOME = ("patient-device",)


def smoothed(batch, **kalman):
    return smooth_batch(batch, build_model(Kalman(**kalman), {}, batch.sources))


@pytest.mark.parametrize(
    ("days", "kilos", "right"),
    [
        ((0, 40, 240, 420), (131.5, 132.0, 90.5, 89.8), (1, 1, 1, 1)),
        ((0, 365, 730), (80.0, 110.0, 80.0), (1, 0, 1)),
        ((0, 365, 730), (69.0, 37.0, 78.0), (1, 0, 1)),
    ],
    ids=["surgery", "a lone value", "another"],
)
def test_few_values_years_apart(make_batch, days, kilos, right):
    rows = [(19_000 + day, kg) for day, kg in zip(days, kilos, strict=True)]
    result = smoothed(make_batch(rows, sources=("care-team-upload",)))
    assert result.accepted.tolist() == [bool(ok) for ok in right]


def test_a_fluid_episode_is_no_other_person(make_batch):
    kilos = [88.0] * 60 + [90, 92, 94, 96, 98, 100, 98.5, 97, 95.5, 94, 92.5, 91, 89.5]
    result = smoothed(make_batch(series([*kilos, *[88.0] * 30])))
    assert result.accepted.all()
    assert result.level.max() > 88 + 0.8 * 12
    assert result.change_28d[66] == pytest.approx(11.5, abs=1.5)
    assert np.isnan(result.change_28d[:28]).all()


@pytest.mark.parametrize("rise", [2.0, 5.0])
def test_readings_of_one_time_at_the_height_of_a_fluid_episode(make_batch, rise):
    """From before the person is restless for sure, from after calm; no time is between them."""
    kilos = [88.0 + 0.1 * (i % 2) for i in range(40)] + [88.0 + rise * (i + 1) for i in range(5)]
    top = kilos[-1]
    same = [(19_044.0, top + 0.5), (19_044.0, top + 0.2), (19_044.0, top - 0.3)]
    after = series([top + 0.1 * (i % 3) for i in range(30)], start=19_045.0)
    result = smoothed(make_batch([*series(kilos), *same, *after]))
    assert result.accepted.all()
    assert (result.p_valid > 0.9).all()


@given(person, st.sampled_from([0.01, 0.4, 100.0]), st.sampled_from([1e-9, 0.02, 1 - 1e-9]))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_results_are_finite_and_intervals_ordered(
    make_batch, readings, noise, error_rate
):
    batch = make_batch(to_series(readings), sources=SOURCES)
    table = {name: Source(noise_kg=noise, error_rate=error_rate) for name in SOURCES}
    result = smooth_batch(batch, build_model(Kalman(), table, SOURCES))
    assert ((result.p_valid >= 0) & (result.p_valid <= 1)).all()
    for name in ("expected", "level"):
        low, mid, high = (getattr(result, name + end) for end in ("_lo", "", "_hi"))
        known = ~np.isnan(mid)
        assert np.isfinite(np.r_[low[known], high[known]]).all()
        assert ((low[known] <= mid[known]) & (mid[known] <= high[known])).all()
    assert not np.isnan(result.level[result.accepted]).any()
    assert (result.accepted == (result.reason == 0)).all()


@pytest.mark.parametrize(
    "kilos",
    [[80.0], [80.0, 80.1], [80.0] * 50, [800.0, 3.0, 9000.0], [80.0, 176.0]],
    ids=["one", "two", "equal", "all wrong", "two that differ"],
)
def test_few_or_strange_readings(make_batch, kilos):
    result = smoothed(make_batch(series(kilos)))
    assert np.isnan(result.expected[result.accepted]).all() == (result.accepted.sum() < 2)
    assert np.isfinite(result.p_valid).all()


@pytest.mark.parametrize("kg", [10.0, 80.0, 160.0])
@pytest.mark.parametrize("forced", [(0,), (1,)], ids=["judged", "accepted by a reviewer"])
def test_a_lone_reading_has_the_same_level_in_both_engines(make_batch, kg, forced):
    batch = make_batch([(19_000.3, kg, 0, 19.0)], sources=("care-team-upload",), forced=forced)
    model = build_model(Kalman(), {}, batch.sources)
    causal, retro = filter_batch(batch, model), smooth_batch(batch, model)
    for name in ("level", "level_lo", "level_hi"):
        np.testing.assert_allclose(getattr(retro, name), getattr(causal, name), rtol=1e-6)


def test_nonsense_alone_leaves_numbers_to_learn_from(make_batch):
    """900 kg a year apart: each may be of the other's date, but nobody's weight is known."""
    batch = make_batch([(19_000.0, 900.0), (19_365.0, 900.0)])
    tally = np.zeros((1, len(REASONS)))
    smooth_batch(batch, build_model(Kalman(), {}, batch.sources), tally)
    assert tally.sum() == pytest.approx(2.0)


def test_errors_of_the_past_make_an_easy_reading_less_sure(make_batch):
    """As errors of the future do: both sides tell how often this person's readings are wrong."""
    kilos = [80 + 0.1 * (i % 3) for i in range(30)]
    spoilt = [110.0 + 3 * i if i < 20 and i % 3 == 2 else kg for i, kg in enumerate(kilos)]
    doubts = []
    for values in (kilos, spoilt):
        batch = make_batch(series(values, 5), sources=("care-team-upload",))
        doubts.append(1 - smoothed(batch).p_valid[20:])
    assert (doubts[1] > 5 * doubts[0]).all()


def test_a_hundred_thousand_readings_a_second_apart(make_batch):
    kilos = np.round(80 + 0.4 * np.random.default_rng(1).standard_normal(100_000), 1)
    # One on a whole minute may be its neighbour's copy, told to the minute: none is.
    batch = make_batch([(19_000 + (i + 0.25) / 86_400, kg) for i, kg in enumerate(kilos)])
    result = smoothed(batch)
    assert result.accepted.mean() > 0.999
    assert np.isfinite(result.level_hi).all()


@pytest.mark.timeout(60)
@pytest.mark.xfail(
    reason="of noise alone retro accepts too much", strict=True, raises=AssertionError
)
def test_a_hundred_thousand_readings_that_fit_nothing(make_batch):
    kilos = np.random.default_rng(1).uniform(21, 400, 100_000)
    result = smoothed(make_batch([(19_000 + i / 86_400, kg) for i, kg in enumerate(kilos)]))
    assert result.accepted.mean() < 0.2
    assert np.isfinite(result.p_valid).all()


def test_the_future_tells_on_a_wrong_first_value(make_batch):
    result = smoothed(make_batch(series([176.4, 80, 80.2, 79.9, 80.1])))
    assert result.accepted.tolist() == [False, True, True, True, True]
    assert names(result)[0] == "unit_lb_as_kg"
    assert result.suggested[0] == pytest.approx(80.0, abs=0.05)
    assert result.expected_lo[0] < 80 < result.expected_hi[0]


def test_a_burst_does_not_become_a_level_once_the_old_one_is_back(make_batch):
    before, after = [80, 80.3, 79.8, 80.1, 80.2], [80.0, 80.1, 79.9, 80.2]
    pounds = [round(kg / 0.45359237, 1) for kg in (80.1, 79.9, 80.2, 80.0, 80.1)]
    result = smoothed(make_batch(series(before + pounds + after)))
    assert result.accepted.tolist() == [True] * 5 + [False] * 5 + [True] * 4
    assert set(names(result)[5:10]) == {"unit_lb_as_kg"}
    assert len(result.shift_row) == 0


def test_a_minority_of_errors_does_not_win_by_coming_first(make_batch):
    kilos = [66.3, 145.9, 145.7, 66.0, 67.0, 145.1] + [66.2, 65.9, 66.4, 66.1, 146.2, 66.3] * 4
    result = smoothed(make_batch(series(kilos)))
    assert (result.accepted == (np.array(kilos) < 100)).all()


def test_a_step_that_stays_is_a_level(make_batch):
    result = smoothed(make_batch(series([80, 80.2, 79.9, 80.1, 72, 72.2, 71.9, 72.1])))
    assert result.accepted.all()
    assert result.shift_row.tolist() == [4]
    assert abs(result.level[3] - 80) < 0.5
    assert abs(result.level[4] - 72) < 0.5


def test_the_same_weighing_through_two_apps_counts_once(make_batch):
    day = [(19_000 + i, 80.0 + 0.1 * (i % 3), 0) for i in range(6)]
    batch = make_batch([*day[:3], (19_002 + 40 / 86_400, 80.2, 1), *day[3:]], sources=TWO)
    result = smoothed(batch)
    assert names(result)[3] == "repeat"
    assert result.accepted.sum() == 6


def test_one_who_comes_again_is_another_person(make_batch):
    kilos = [80 + 0.2 * (i % 3) for i in range(40)]
    for row in (7, 15, 24, 33):
        kilos[row] = 66.3 + 0.1 * (row % 2)
    result = smoothed(make_batch(series(kilos)))
    assert {names(result)[row] for row in (7, 15, 24, 33)} == {"other_person"}


def test_what_is_far_from_the_one_who_comes_again_is_not_theirs(make_batch):
    """A single strange value is a stranger's first; not once it is known who else is there."""
    kilos = [80 + 0.2 * (i % 3) for i in range(40)]
    kilos[20] = 91.6
    alone = names(smoothed(make_batch(series(kilos))))
    for row in (7, 15, 24, 33):
        kilos[row] = 55.3 + 0.1 * (row % 2)
    among = names(smoothed(make_batch(series(kilos))))
    assert (alone[20], among[20]) == ("other_person", "outlier")
    assert {among[row] for row in (7, 15, 24, 33)} == {"other_person"}


def test_a_burst_of_one_named_error_is_no_other_person(make_batch):
    """Six readings agree with each other; they agree with a hundred too many as well."""
    kilos = [80 + 0.2 * (i % 3) for i in range(40)]
    kilos[20:26] = [kg + 100 for kg in kilos[20:26]]
    assert set(names(smoothed(make_batch(series(kilos))))[20:26]) == {"hundreds_off"}


@pytest.mark.parametrize(
    ("kg", "named"),
    [
        (160.12, "hundreds_off"),  # 353 lb, where 253 lb would be right; kg are stated in tenths
        (160.1182, "hundreds_off"),
        (160.1, "hundreds_off"),  # a system may have rounded it to tenths of a kg
        (159.1, "outlier"),  # 350.8 lb: a kg from any hundred
    ],
)
def test_decimals_tell_in_which_unit_a_number_was_typed(make_batch, kg, named):
    kilos = [114.5 + 0.3 * (i % 3) for i in range(20)]
    kilos[10] = kg
    assert names(smoothed(make_batch(series(kilos), sources=("patient-upload",))))[10] == named


def test_a_value_that_fits_the_year_before_is_of_another_day(make_batch):
    days = [(18_000 + 5 * i, 110 - 0.25 * i) for i in range(120)]
    wrong = (18_000 + 5 * 100 + 1, 110 - 0.25 * (100 - 73))
    result = smoothed(make_batch(sorted([*days, wrong])))
    row = 101
    assert not result.accepted[row]
    assert names(result)[row] == "wrong_date"


# growthcleanr's worked adult examples: vignette "Adult algorithm" of its documentation.
@pytest.mark.parametrize("every", [1.0, 20.0])
def test_growthcleanr_hundreds(make_batch, every):
    result = smoothed(make_batch(series([76, 78, 177, 76], every)))
    assert names(result) == ["ok", "ok", "hundreds_off", "ok"]
    assert result.suggested[2] == 77


def test_growthcleanr_swapped_digits(make_batch):
    batch = make_batch(series([95, 94, 59, 96, 95.5], 10), sources=("care-team-upload",))
    result = smoothed(batch)
    assert names(result) == ["ok", "ok", "digit_swap", "ok", "ok"]
    assert result.suggested[2] == 95


def test_growthcleanr_swap_of_digits_less_than_three_apart(make_batch):
    """growthcleanr does not call it a swap; the likelihood does, for 75 fits and 57 does not."""
    batch = make_batch(series([75, 74, 57, 76, 75.5], 10), sources=("care-team-upload",))
    result = smoothed(batch)
    assert names(result) == ["ok", "ok", "digit_swap", "ok", "ok"]
    assert result.suggested[2] == 75


@pytest.mark.parametrize("kg", [800.0, 804.0, 8.0])
def test_a_tenfold_value_is_no_swap_of_a_number_that_begins_with_0(make_batch, kg):
    right = kg / 10 if kg > 80 else kg * 10
    result = smoothed(make_batch(series([right, right, kg, right, right], 3)))
    assert names(result)[2] == "decimal_shift"
    assert result.suggested[2] == pytest.approx(right)


def test_growthcleanr_spread_over_weeks_is_kept(make_batch):
    batch = make_batch(series([61, 65, 72, 68, 58], 30), sources=("care-team-upload",))
    assert smoothed(batch).accepted.all()


def test_threads_change_no_bit(make_batch):
    rng = np.random.default_rng(2)
    people = [
        series(80 + rng.normal(0, 0.6, 40) + 100 * (rng.random(40) < 0.03)) for _ in range(60)
    ]
    whole = smoothed(make_batch(*people))
    with ThreadPoolExecutor(8) as pool:
        parts = list(
            pool.map(lambda at: smoothed(make_batch(*people[at : at + 10])), range(0, 60, 10))
        )
    for name in ("p_valid", "expected", "level_hi", "trend", "accepted", "suggested"):
        joined = np.concatenate([getattr(result, name) for result in parts])
        np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)


@pytest.mark.parametrize(
    ("source", "readings", "wrong"),
    [
        ("no source", [(0, 354.0), (226, 163.3), (255, 162.0), (542, 161.6)], {0}),
        (
            "care-team-upload",
            [(0, 136.3), (56, 61.1), (99, 135.6), (150, 136.1), (255, 139.9), (519, 139.3)],
            {1},
        ),
        (
            "care-team-upload",  # pounds whose digits are swapped, then 100 lb too few
            [
                (day, round(lb * LB, 6))
                for day, lb in zip(
                    (0, 17, 341, 368, 372, 395, 482, 591),
                    (212.0, 210.0, 121.2, 119.0, 216.0, 216.0, 215.0, 224.3),
                    strict=True,
                )
            ],
            {2, 3},
        ),
    ],
)
def test_one_error_does_not_make_errors_of_all_others(make_batch, source, readings, wrong):
    """Found on series of a clinic's make: the others were held for a mislabelled run."""
    batch = make_batch([(19_000.0 + day, kg) for day, kg in readings], sources=(source,))
    for judge in (filter_batch, smooth_batch):
        result = judge(batch, build_model(Kalman(), {}, batch.sources))
        assert set(np.flatnonzero(~result.accepted)) == wrong


SINGLE = ("patient-device", "care-team-upload", "https://api.iglucose.com")


@pytest.mark.parametrize("source", SINGLE)
def test_agreement_is_no_evidence_of_a_wrong_label(make_batch, source):
    """A smooth series of a light person is not one of a heavy person in another unit."""
    bodies = (40.0, 40.8, 43.0, 46.3, 58.0, 65.8, 72.1, 103.0, 121.0)
    persons = [[(19_000.5 + 7 * week, kg) for week in range(200)] for kg in bodies]
    batch = make_batch(*persons, sources=(source,))
    for judge in (filter_batch, smooth_batch):
        assert judge(batch, build_model(Kalman(), {}, batch.sources)).accepted.all()


def test_a_mislabelled_stretch_at_the_end_is_one():
    """Noise was widened only in a run that begins a series, which retro's other pass ends with."""
    series = drawn("label_switch_late", range(1, 21))
    batch = batch_of(series)
    result = smoothed(batch)
    truth = np.concatenate([one.label for one in series])
    assert (result.accepted == (truth == "ok")).mean() > 0.999


def test_messy_readings_do_not_make_a_heavy_body_of_a_light_one(make_batch):
    """Found on a series of a home's make: one error in ten, and 62 valid readings rejected."""
    rng = np.random.default_rng(5)
    days = 19_000.0 + np.flatnonzero(rng.random(230) < 0.75)
    persons, truth = [], []
    for _ in range(20):
        kg = np.round(62.5 + rng.normal(0, 0.35, len(days)), 1)
        wrong = rng.random(len(days)) < 0.1
        kinds = rng.choice(4, int(wrong.sum()))
        right = kg[wrong]
        tens = np.array([right + 45.4, right * LB, right + 30.1, right + 20.0])
        kg[wrong] = np.round(tens[kinds, np.arange(len(right))], 1)
        persons.append(
            [(day + 0.3, float(value), 0, 7.2) for day, value in zip(days, kg, strict=True)]
        )
        truth.append(wrong)
    result = smoothed(make_batch(*persons, sources=HOME))
    assert (result.accepted == ~np.concatenate(truth)).mean() > 0.999


def test_two_weights_minutes_apart_are_not_both_right(make_batch):
    """A tail of meals and coats would let both stand: retro knows how soon it was, too."""
    mornings = [(19_000.3 + day, 78.0 + 0.2 * (day % 3), 0, 7.2) for day in range(30)]
    rival = (19_020.307, 72.0, 0, 7.37)
    result = smoothed(make_batch(sorted([*mornings, rival]), sources=HOME))
    assert np.flatnonzero(~result.accepted).tolist() == [21]
    assert result.p_valid[21] < 0.3


@pytest.mark.parametrize(
    ("days", "kilos"),
    [
        ((0, 19, 316, 319), (124.7, 80.4, 77.1, 123.8)),  # one pair is a co-user's
        ((0, 3, 10, 427), (34.9, 78.0, 36.0, 80.3)),  # one pair is in the other unit
    ],
)
def test_the_middle_of_a_series_does_not_contradict_its_ends(make_batch, days, kilos):
    """Two alternating readings cannot both be right; what both sides remember belongs together."""
    series_of_both = [(19_000.5 + day, kg) for day, kg in zip(days, kilos, strict=True)]
    batch = make_batch(series_of_both, sources=("care-team-upload",))
    first, second, third, last = smooth_batch(
        batch, build_model(Kalman(), {}, batch.sources)
    ).p_valid
    same, other = (
        ((first, last), (second, third)) if days[1] > 3 else ((first, third), (second, last))
    )
    for one in same:
        for another in other:
            assert one + another == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("each", [3, 5, 15])
@pytest.mark.parametrize("source", ["unknown", "care-team-upload", "patient-device"])
@pytest.mark.parametrize("every", [7.0, 30.0])
@pytest.mark.parametrize("reverse", [False, True])
def test_no_level_lies_between_two_bodies(make_batch, each, source, every, reverse):
    """An account that goes over to pounds; its first reading had a level of 84 to 120 kg."""
    kilos = [80.0 + 0.1 * (n % 4) for n in range(each)]
    kilos += [176.4 + 0.1 * (n % 3) for n in range(each)]
    rows = series(kilos[::-1] if reverse else kilos, every=every)
    result = smoothed(make_batch(rows, sources=(source,)))
    assert result.accepted.sum() == each
    assert np.abs(result.level - 79.5).max() < 2.0
    assert result.p_valid[result.accepted].min() > 0.95
