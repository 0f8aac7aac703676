"""One weighing that came through several apps counts once."""

import numpy as np
import pytest

from tests.test_engine.readings import TWO, names, series
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch


def twice(days, seconds=60.0, shown=lambda kg: kg, source=1):
    """Each weighing also through another app, somewhat later and as that app shows it."""
    both = [(day, kg, 0) for day, kg in days]
    both += [(day + seconds / 86_400, shown(kg), source) for day, kg in days]
    return sorted(both, key=lambda row: (row[0], row[2]))


def in_pounds(kg):
    return round(kg / 0.45359237, 1) * 0.45359237


@pytest.mark.parametrize("shown", [lambda kg: kg, in_pounds], ids=["as it is", "in pounds"])
@pytest.mark.parametrize("seconds", [0.0, 60.0, 119.0])
def test_one_weighing_through_two_apps_counts_once(make_batch, shown, seconds):
    rng = np.random.default_rng(3)
    days = series(np.round(80 + rng.normal(0, 0.5, 40), 1))
    model = build_model(Kalman(), {}, TWO)
    once = smooth_batch(make_batch([(day, kg, 0) for day, kg in days], sources=TWO), model)
    both = smooth_batch(make_batch(twice(days, seconds, shown), sources=TWO), model)
    assert names(both)[1::2] == ["repeat"] * 40
    np.testing.assert_allclose(both.level[::2], once.level, atol=1e-6)
    np.testing.assert_allclose(
        (both.level_hi - both.level_lo)[::2], once.level_hi - once.level_lo, rtol=1e-6
    )
    assert (both.accepted[::2] == once.accepted).all()
    assert (both.p_valid[1::2] <= 0.1).all()


def test_a_copy_need_not_be_the_next_reading(make_batch):
    """Three apps; a strange value comes between, from a fourth source."""
    sources = ("a", "b", "c", "d")
    day = 19_010.0
    rows = [(19_000.0 + n, 80 + n / 10, 0) for n in range(10)]
    rows += [(day, 80.4, 0), (day + 1e-4, 95.0, 3), (day + 2e-4, 80.4, 1), (day + 3e-4, 80.4, 2)]
    result = smooth_batch(make_batch(rows, sources=sources), build_model(Kalman(), {}, sources))
    assert names(result)[10] == "ok"
    assert names(result)[12:] == ["repeat", "repeat"]
    assert names(result)[11] not in ("ok", "repeat")


@pytest.mark.parametrize(
    ("kg", "source", "seconds"),
    [(80.4, 0, 60), (80.5, 0, 20), (80.5, 1, 60), (80.4, 1, 130), (80.46, 1, 60)],
    ids=["same source", "other weight of it", "other weight", "later", "other hundredth"],
)
def test_what_is_no_copy(make_batch, kg, source, seconds):
    rows = [(19_000.0 + n, 80.1 + n % 3 / 10, n % 2) for n in range(20)]
    rows += [(19_020.0, 80.4, 0), (19_020.0 + seconds / 86_400, kg, source)]
    result = smooth_batch(make_batch(rows, sources=TWO), build_model(Kalman(), {}, TWO))
    assert names(result)[-2:] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(50, lambda kg: kg), (0, in_pounds), (50, in_pounds), (0.25, lambda kg: kg)],
    ids=["to the minute", "in pounds", "both", "to the second"],
)
def test_a_coarser_spelling_of_the_same_source_counts_once(make_batch, seconds, shown):
    """The same history once more, told more coarsely: the intervals do not narrow."""
    rng = np.random.default_rng(4)
    days = series(np.round(80 + rng.normal(0, 0.5, 40), 1))
    model = build_model(Kalman(), {}, TWO)
    once = smooth_batch(make_batch([(day, kg, 0) for day, kg in days], sources=TWO), model)
    both = smooth_batch(make_batch(twice(days, seconds, shown, 0), sources=TWO), model)
    repeats = [name == "repeat" for name in names(both)]
    assert sum(repeats) == 40
    width = (both.level_hi - both.level_lo)[~np.array(repeats)]
    np.testing.assert_allclose(width, once.level_hi - once.level_lo, rtol=1e-3)


@pytest.mark.parametrize("sources", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_tellings_form_a_chain(make_batch, sources):
    """07:00:00, 07:00:50 and 07:02:20 from three sources are one weighing."""
    three = ("a", "b", "c")
    rows = [(19_000.0 + n, 80.4, 0) for n in range(10)]
    rows += [
        (19_010.0 + (7 * 3600 + s) / 86_400, 80.4, source)
        for s, source in zip((0, 50, 140), sources, strict=True)
    ]
    result = smooth_batch(make_batch(rows, sources=three), build_model(Kalman(), {}, three))
    assert names(result)[10:] == ["ok", "repeat", "repeat"]


@pytest.mark.parametrize("source", [0, 1])
@pytest.mark.parametrize(
    ("at", "apart", "shown", "name"),
    [
        (12, 3600, 80.4, "repeat"),
        (12, 5.75 * 3600, 80.4, "repeat"),
        (0, 3600, 80.4, "ok"),
        (12, 3601, 80.4, "ok"),
        (12, 3600, 80.5, "ok"),
        (12, 15 * 3600, 80.4, "ok"),
    ],
    ids=["an hour", "Nepal", "to the minute", "a second more", "another weight", "too far"],
)
def test_a_history_that_is_told_in_two_timezones_counts_once(
    make_batch, at, apart, shown, name, source
):
    """The same weight at the same second, whole quarters of an hour apart."""
    rows = [(19_000.0 + n + 1e-4, 80.4, 0) for n in range(10)]
    rows += [(19_010.0 + at / 86_400, 80.4, 0), (19_010.0 + (at + apart) / 86_400, shown, source)]
    result = smooth_batch(make_batch(rows, sources=TWO), build_model(Kalman(), {}, TWO))
    assert names(result)[10:] == ["ok", name]


@pytest.mark.parametrize("start", [7, 61], ids=["seconds", "past the minute"])
def test_two_weighings_of_one_minute_to_the_second_are_two(make_batch, start):
    rows = [(19_000.0 + n, 80.4, 0) for n in range(10)]
    rows += [(19_010.0 + (start + n) / 86_400, 80.4, 0) for n in (0, 40)]
    result = smooth_batch(make_batch(rows, sources=TWO), build_model(Kalman(), {}, TWO))
    assert names(result)[10:] == ["ok", "ok"]


def test_a_source_repeats_no_weighing_of_its_own(make_batch):
    """Two weighings of one minute, each through both apps: two count."""
    rows = [(19_000.0 + n, 80.4, 0) for n in range(10)]
    rows += [(19_010.0 + (n + 7) / 86_400, 80.4, n % 2) for n in range(4)]
    result = smooth_batch(make_batch(rows, sources=TWO), build_model(Kalman(), {}, TWO))
    assert names(result)[10:] == ["ok", "repeat", "ok", "repeat"]


def test_a_copy_that_a_person_accepts_counts(make_batch):
    rows = [(19_000.0 + n, 80.4, 0) for n in range(10)]
    rows.append((19_009.0001, 80.4, 1))
    batch = make_batch(rows, sources=TWO, forced=[*[0] * 10, 1])
    result = smooth_batch(batch, build_model(Kalman(), {}, TWO))
    assert names(result)[9:] == ["ok", "override"]
    assert result.accepted[9:].all()


def test_most_readings_may_be_copies(make_batch):
    """Half of all are; they are no rejected course that could be the right one."""
    days = series([80, 80.2, 79.9, 80.1, 176.4, 80.3, 80.0])
    result = smooth_batch(make_batch(twice(days), sources=TWO), build_model(Kalman(), {}, TWO))
    assert names(result)[1::2] == ["repeat"] * 7
    assert names(result)[8] == "unit_lb_as_kg"
    assert result.accepted[::2].sum() == 6
