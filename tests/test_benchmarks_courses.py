from dataclasses import replace

import numpy as np
import pytest

from benchmarks import courses
from benchmarks.course_series import COURSES, Series, literal
from weightstream.config import Kalman
from weightstream.engine import Filtered, build_model, filter_batch
from weightstream.schema import REASONS


def judged(series: Series, accepted: np.ndarray, level: np.ndarray, p: np.ndarray) -> Filtered:
    """What an engine would say, with these answers in place of its own."""
    batch = courses.batch_of([series])
    found = filter_batch(batch, build_model(Kalman(), {}, batch.sources))
    return replace(found, accepted=accepted, level=level, p_valid=p)


def agreed(name: str, series: Series, accepted: np.ndarray, p: float = 1.0) -> bool:
    found = judged(series, accepted, series.level.copy(), np.full(len(series), p))
    return courses._agreed(name, "retro", series, found, slice(0, len(series)))


@pytest.mark.parametrize("name", COURSES)
def test_a_course_is_sorted_labelled_and_the_same_for_the_same_seed(name: str) -> None:
    one, again, other = courses.drawn(name, [3, 3, 4])
    assert (one.kg == again.kg).all()
    assert name.endswith("reported") or "_reported_" in name or name.startswith(
        ("rivals", "pounds_then", "one_reading")
    ) or len(one) != len(other) or (one.kg != other.kg).any()  # fmt: skip
    assert (np.diff(one.day) >= 0).all()
    assert (one.kg > 0).all()
    assert set(one.label) <= {"ok", "either", *REASONS}


@pytest.mark.parametrize("name", ["fluid_daily", "sparse_ehr", "infant_with_error"])
def test_a_clinician_agrees_with_the_truth_and_not_with_its_opposite(name: str) -> None:
    (series,) = courses.drawn(name, [1])
    right = series.label.astype(str) == "ok"
    assert agreed(name, series, right)
    assert not agreed(name, series, ~right)


def test_a_rise_has_to_be_shown() -> None:
    (series,) = courses.drawn("fluid_daily", [1])
    accepted = np.ones(len(series), bool)
    flat = judged(series, accepted, np.full(len(series), series.base), np.ones(len(series)))
    assert not courses._agreed("fluid_daily", "retro", series, flat, slice(0, len(series)))
    assert courses._reach(series, flat.level) == pytest.approx(0.0)
    assert courses._reach(series, series.level) == pytest.approx(1.0)


def test_of_two_rivals_neither_is_believed() -> None:
    (series,) = courses.drawn("rivals_78_72_alone", [1])
    assert agreed("rivals_78_72_alone", series, np.array([True, False]), 0.5)
    assert not agreed("rivals_78_72_alone", series, np.array([True, False]), 0.95)


def test_the_level_of_two_persons_is_not_between_them() -> None:
    (series,) = courses.drawn("two_people_78_72", [1])
    accepted = np.ones(len(series), bool)
    assert agreed("two_people_78_72", series, accepted)
    between = judged(series, accepted, np.full(len(series), 75.0), np.ones(len(series)))
    assert not courses._agreed("two_people_78_72", "retro", series, between, slice(None))


def test_figures_of_a_course_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three right readings, one rejected; one error, accepted; the level 2 kg off everywhere."""
    series = literal([0, 1, 2, 3], [80, 81, 160, 82]).changed(np.array([2]), 160.0, "outlier")
    monkeypatch.setitem(COURSES, "by_hand", lambda rng: series)
    found = judged(
        series, np.array([True, False, True, True]), series.level + 2.0, np.ones(len(series))
    )
    monkeypatch.setitem(courses.STAGES, "retro", lambda batch, model: found)
    row = courses.measure("by_hand", "retro", [1])
    assert (row.right, row.errors) == (3, 1)
    assert row.false == pytest.approx(1 / 3)
    assert row.missed == 1.0
    assert row.rmse == pytest.approx(2.0)
    assert row.agreed == 0.0


def test_the_page_names_a_course_and_says_what_it_is() -> None:
    row = courses.measure("fluid_clinic", "retro", [1])
    page = courses.markdown(["fluid_clinic"], [1, 2], [courses.cells("fluid_clinic", "retro", row)])
    assert page.startswith("# The course table")
    assert "| fluid_clinic | retro |" in page
    assert "weighed daily on the ward" in page
