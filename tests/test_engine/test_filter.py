"""The causal filter: what it must decide, what it must never do, and its pykalman twin."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.test_engine.readings import SOURCES, persons, series, to_series
from weightstream.batch import UserBatch
from weightstream.config import Kalman, Source
from weightstream.engine import (
    beam,
    build_model,
    calendar,
    densities,
    filter_batch,
    fingerprint,
    mixture,
    naming,
    pairs,
    process,
    smoother,
    state_day,
)
from weightstream.engine import filter as causal
from weightstream.errors import BatchError
from weightstream.schema import REASONS

LABEL = 28  # in a stored state
EXACT = ("accepted", "reason", "shift_user", "shift_row")


def verdicts(batch, **kalman):
    result = filter_batch(batch, build_model(Kalman(**kalman), {}, batch.sources))
    return result.accepted.tolist()


@example([[(0.0, 86.0, 0, np.nan), (300.0, 1e300, 0, np.nan), (0.0, 85.9, 0, np.nan)]], 100.0, 1e-9)
@given(persons, st.sampled_from([0.01, 0.4, 100.0]), st.sampled_from([1e-9, 0.02, 1 - 1e-9]))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_results_are_finite_and_intervals_ordered(
    make_batch, people, noise, error_rate
):
    batch = make_batch(*map(to_series, people), sources=SOURCES)
    table = {name: Source(noise_kg=noise, error_rate=error_rate) for name in SOURCES}
    result = filter_batch(batch, build_model(Kalman(), table, SOURCES))
    assert ((result.p_valid >= 0) & (result.p_valid <= 1)).all()
    for name in ("expected", "level"):
        low, mid, high = (getattr(result, name + end) for end in ("_lo", "", "_hi"))
        known = ~np.isnan(mid)
        assert np.isfinite(np.r_[low[known], high[known]]).all()
        assert ((low[known] <= mid[known]) & (mid[known] <= high[known])).all()
    assert not np.isnan(result.level[result.accepted]).any()
    assert (result.accepted == (result.reason == 0)).all()


@given(persons)
@settings(max_examples=100, deadline=None)
def test_going_on_from_a_state_changes_no_bit(make_batch, people):
    person = to_series(people[0])
    model = build_model(Kalman(), {}, SOURCES)
    whole = filter_batch(make_batch(person, sources=SOURCES), model)
    for cut in range(1, len(person)):
        head = filter_batch(make_batch(person[:cut], sources=SOURCES), model)
        (day,) = state_day(head.state)
        if np.isnan(day):
            continue
        done = sum(reading[0] <= day for reading in person[:cut])
        tail = filter_batch(make_batch(person[done:], sources=SOURCES), model, start=head.state)
        for name in ("accepted", "reason", "p_valid", "expected_hi", "level", "trend"):
            joined = np.concatenate([getattr(head, name)[:done], getattr(tail, name)])
            np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)
        np.testing.assert_array_equal(tail.state, whole.state)


def test_a_continued_series_does_not_depend_on_the_numbering_of_sources(make_batch):
    days = series([80, 80.2, 79.9, 80.1, 80.3, 79.8])
    head = filter_batch(
        make_batch(days[:4], sources=("a", "patient-device")),
        build_model(Kalman(), {}, ("a", "patient-device")),
    )
    ends = []
    for sources, index in ((("a", "patient-device"), 0), (("patient-device", "a"), 1)):
        tail = [(day, kg, index) for day, kg in days[4:]]
        model = build_model(Kalman(), {}, sources)
        ends.append(filter_batch(make_batch(tail, sources=sources), model, start=head.state).state)
    np.testing.assert_array_equal(*ends)


def test_one_error_is_rejected_and_does_not_move_the_level(make_batch, engine):
    batch = make_batch(series([80, 80.3, 79.8, 176.2, 80.1]))
    result = filter_batch(batch, build_model(Kalman(), {}, batch.sources), engine=engine)
    assert result.accepted.tolist() == [True, True, True, False, True]
    assert REASONS[result.reason[3]] == "unit_lb_as_kg"
    assert result.suggested[3] == pytest.approx(79.92, abs=0.01)
    assert result.level[3] == pytest.approx(result.level[2], abs=0.1)


def test_a_step_becomes_the_level_with_its_third_reading_over_two_days(make_batch, engine):
    batch = make_batch(series([80, 80.2, 79.9, 80.1, 72, 72.2, 71.9]))
    result = filter_batch(batch, build_model(Kalman(), {}, batch.sources), engine=engine)
    assert result.accepted.all()
    assert (abs(result.level[4:] - 72) < 0.5).all()


def test_one_reading_of_a_step_is_not_enough(make_batch):
    before = series([80, 80.2, 79.9, 80.1])
    assert verdicts(make_batch([*before, (19_010, 68.0)]))[4:] == [False]


def test_a_reading_of_the_old_level_ends_what_was_pending(make_batch):
    ended = series([80, 80.2, 79.9, 80.1, 72, 72.2, 80.0, 80.1])
    assert verdicts(make_batch(ended)) == [True] * 4 + [False] * 2 + [True] * 2


def test_a_fluid_episode_is_followed(make_batch):
    kilos = [88.0] * 60 + [90, 92, 94, 96, 98, 100, 98.5, 97, 95.5, 94, 92.5, 91, 89.5]
    batch = make_batch(series([*kilos, *[88.0] * 30]))
    result = filter_batch(batch, build_model(Kalman(), {}, batch.sources))
    assert result.accepted.all()
    assert result.level.max() > 88 + 0.6 * 12


@pytest.mark.parametrize("kg", [3.4, 12.0, 35.0, 190.0, 268.0, 330.0, 520.0])
def test_any_body_may_begin(make_batch, kg):
    kilos = kg * (1 + 0.003 * np.random.default_rng(3).standard_normal(12))
    assert all(verdicts(make_batch(series(kilos)))[2:])


def test_a_changed_constant_changes_the_fingerprint(monkeypatch):
    before = fingerprint()
    monkeypatch.setattr(beam, "COURSES", beam.COURSES + 1)
    assert fingerprint() != before


def test_a_burst_of_one_kind_does_not_become_the_level(make_batch, engine):
    before = [(19_000 + i, kg, 0) for i, kg in enumerate([60.0, 60.2, 59.9, 60.1])]
    burst = [
        (19_004 + i, round(kg * 0.45359237, 2), int(i == 3))
        for i, kg in enumerate([60.3, 59.8, 60.1, 60.0, 60.2, 59.9])
    ]
    batch = make_batch([*before, *burst, (19_010, 60.1, 0)], sources=SOURCES)
    result = filter_batch(batch, build_model(Kalman(), {}, SOURCES), engine=engine)
    assert result.accepted.tolist() == [True] * 4 + [False] * 6 + [True]
    assert {REASONS[code] for code in result.reason[4:10]} == {"unit_kg_as_lb"}


def test_a_wrong_first_value_does_not_become_the_baseline(make_batch, engine):
    batch = make_batch(series([176, 80, 80.2, 79.9, 80.1]))
    result = filter_batch(batch, build_model(Kalman(), {}, batch.sources), engine=engine)
    assert result.accepted.tolist() == [False, True, True, True, True]
    assert np.isnan(result.level[0])
    assert abs(result.level[4] - 80) < 0.5


@pytest.mark.parametrize("after", [1, 6])
def test_after_a_mislabelled_run_a_body_moves_as_usual(make_batch, after):
    """In the run noise and movement are those of a body of the weight shown."""
    rows = [80.0 + 0.1 * (day % 3) for day in range(20)]
    run = [round(kg * mixture.LB, 1) for kg in rows[:6]]
    widened = []
    for end in (0, after):
        batch = make_batch(series([*rows, *run, *rows[:end]]), sources=("patient-device",))
        result = filter_batch(batch, build_model(Kalman(), {}, batch.sources))
        assert result.accepted.tolist() == [True] * 20 + [False] * 6 + [True] * end
        widened.append(result.state[0][LABEL])
    assert widened[0] > 1.5
    assert widened[1] == 1.0


def test_gaps_widen_the_prediction(make_batch):
    batch = make_batch([(0, 80), (1, 80), (2, 80), (3, 80)], [(0, 80), (1, 80), (2, 80), (400, 80)])
    result = filter_batch(batch, build_model(Kalman(), {}, batch.sources))
    width = result.expected_hi - result.expected_lo
    assert width[7] > 4 * width[3]


def test_level_is_as_in_the_morning_on_the_reference_scale(make_batch):
    batch = make_batch([(i, 82.3, 0, 22.0) for i in range(300)])
    model = build_model(Kalman(), {"patient-device": Source(bias_kg=1.0)}, batch.sources)
    result = filter_batch(batch, model)
    assert result.level[-1] == pytest.approx(80.0, abs=0.2)
    assert result.expected[-1] == pytest.approx(82.3, abs=0.2)


@pytest.mark.parametrize(
    ("day", "kg", "words"),
    [
        ((0, 2, 1), (80, 80, 80), "reading 2 .* before"),
        ((0, np.nan, 1), (80, 80, 80), "reading 1 .* time"),
        ((0, 1, 2), (80, np.nan, 80), "reading 1 .* weight"),
        ((0, 1, 2), (80, 80, 0), "reading 2 .* weight"),
        ((0, 1, 2), (np.inf, 80, 80), "reading 0 .* weight"),
    ],
)
def test_faulty_batches_are_refused(make_batch, day, kg, words):
    batch = make_batch(list(zip(day, kg, strict=True)))
    with pytest.raises(BatchError, match=words):
        filter_batch(batch, build_model(Kalman(), {}, batch.sources))


def test_a_model_of_other_sources_is_refused(make_batch):
    batch = make_batch([(0, 80)])
    with pytest.raises(BatchError, match="sources"):
        filter_batch(batch, build_model(Kalman(), {}, ("b",)))


def test_an_empty_batch_and_a_person_without_readings(make_batch):
    model = build_model(Kalman(), {}, ("patient-device",))
    assert len(filter_batch(make_batch(), model).level) == 0
    result = filter_batch(make_batch([(0, 80)], [], [(0, 60)]), model)
    assert np.isnan(result.state).all()


def wide_batch(users, readings):
    rng = np.random.default_rng(5)
    day = np.cumsum(rng.exponential(2, (users, readings)), axis=1)
    kg = rng.normal(85, 15, (users, 1)) + rng.normal(0, 0.5, (users, readings))
    kg[rng.random(kg.shape) < 0.02] *= 2.2
    return UserBatch(
        tuple(map(str, range(users))),
        np.arange(0, users * readings + 1, readings),
        day.ravel(),
        rng.uniform(0, 24, day.size),
        kg.ravel(),
        rng.integers(0, 3, day.size),
        SOURCES,
    )


def part(batch, users):
    rows = slice(batch.indptr[users.start], batch.indptr[users.stop])
    return UserBatch(
        batch.user_ids[users],
        batch.indptr[users.start : users.stop + 1] - batch.indptr[users.start],
        *(a[rows] for a in (batch.day, batch.hour, batch.weight_kg, batch.source)),
        batch.sources,
    )


def test_threads_change_no_bit():
    batch, model = wide_batch(400, 50), build_model(Kalman(), {}, SOURCES)
    whole = filter_batch(batch, model)
    with ThreadPoolExecutor(8) as pool:
        parts = list(
            pool.map(
                lambda at: filter_batch(part(batch, slice(at, at + 50)), model), range(0, 400, 50)
            )
        )
    for name in ("p_valid", "expected", "level_hi", "trend", "accepted", "state"):
        joined = np.concatenate([getattr(result, name) for result in parts])
        np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)


def test_kernels_release_the_gil_and_keep_nan():
    modules = (beam, calendar, causal, densities, mixture, naming, pairs, process, smoother)
    compiled = [
        f for module in modules for f in vars(module).values() if hasattr(f, "targetoptions")
    ]
    assert len(compiled) > 20
    for function in compiled:
        assert function.targetoptions.get("nogil"), function
        assert not function.targetoptions.get("fastmath"), function


@pytest.mark.parametrize(
    "change",
    [
        {"accept_above": 0.999},
        {"level_kg2_per_day": 1.0},
        {"trend_kg_per_week": 2.0},
        {"trend_days": 5.0},
        {"water_kg": 2.0},
        {"water_days": 0.1},
        {"evening_kg": 4.0},
        {"source": {"bias_kg": 2.0}},
        {"source": {"noise_kg": 3.0}},
        {"source": {"error_rate": 0.3}},
    ],
    ids=str,
)
def test_every_key_has_an_effect(make_batch, change):
    kilos = [80, 80.5, 79.4, 80.2, 83.1, 80.1, 72, 72.2, 71.9, 72.1]
    batch = make_batch([(2.1 * i, kg, 0, 18.0) for i, kg in enumerate(kilos)])
    usual = filter_batch(batch, build_model(Kalman(), {}, batch.sources))
    table = {"patient-device": Source(**change.pop("source"))} if "source" in change else {}
    other = filter_batch(batch, build_model(Kalman(**change), table, batch.sources))
    assert any(
        not np.array_equal(getattr(usual, name), getattr(other, name), equal_nan=True)
        for name in ("accepted", "p_valid", "expected", "level")
    )


def test_where_one_error_is_possible_there_is_no_second(make_batch):
    result = filter_batch(
        make_batch([(0, 900_000.0)]), build_model(Kalman(), {}, ("patient-device",))
    )
    assert REASONS[result.reason[0]] == "implausible"
    assert result.second_reason[0] == -1
    assert np.isnan(result.p_second[0])


def test_the_level_follows_the_verdicts_where_courses_disagree(make_batch):
    """The likeliest course alone may contradict what several others say together."""
    days = np.array([0, 9, 387, 630, 631, 639, 641, 665, 667, 821])
    kilos = np.array([69.9, 68.9, 69.6, 72.1, 111.5, 111.9, 110.6, 110, 66.7, 70.3])
    batch = make_batch(list(zip(19_000.5 + days, kilos, strict=True)), sources=("no",))
    result = filter_batch(batch, build_model(Kalman(), {}, batch.sources))
    assert 0 < result.accepted.sum() < len(days)
    assert np.abs(result.level - kilos)[result.accepted].max() < 3.0
