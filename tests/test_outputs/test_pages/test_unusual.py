"""Unusual changes: found where they are, and seldom where they are not."""

from typing import Any

import numpy as np
import pytest

from weightstream import movement
from weightstream.engine.model import Process
from weightstream.engine.process import swing_transition
from weightstream.outputs.pages import unusual
from weightstream.outputs.pages.courses import Alert

PROCESS = Process()


@pytest.fixture
def alerts_of(as_courses):
    def find(columns: dict[str, Any], asked: float = 0.1) -> list[Alert]:
        (found,) = unusual.unusual_changes(as_courses([columns]), PROCESS, asked)
        return found

    return find


@pytest.mark.parametrize(("spacing", "readings"), [(1.0, 730), (7.0, 156)])
def test_false_alerts_are_about_as_rare_as_asked(
    spacing, readings, usual_people, filtered, as_courses
):
    asked = 1.0
    people = filtered(*usual_people(100, readings, spacing, seed=11))
    found = sum(map(len, unusual.unusual_changes(as_courses(people), PROCESS, asked)))
    a_year = found / (100 * spacing * readings / 365.25)
    assert asked / 5 < a_year < asked * 1.3


def test_fewer_are_found_where_fewer_are_asked_for(usual_people, filtered, as_courses):
    people = filtered(*usual_people(60, 365, 1.0, seed=3))
    counts = [
        sum(map(len, unusual.unusual_changes(as_courses(people), PROCESS, n)))
        for n in (5.0, 1.0, 0.05)
    ]
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize(("kg", "days"), [(-6.0, 5), (5.0, 6)])
def test_a_fast_change_is_found_within_days_and_is_surely_unusual(
    kg, days, usual_people, filtered, alerts_of
):
    day, weights = usual_people(20, 120, 1.0, seed=5)
    weights[:, 60:] += np.clip((day[60:] - day[60]) / days, 0, 1) * kg
    for known, sure in ((70, 0.5), (120, 0.9)):  # what is said nine days after it began, and later
        for columns in filtered(day[:known], weights[:, :known]):
            found = [
                alert
                for alert in alerts_of(columns, 0.1)
                if alert.at >= columns["effective_at"][60] and alert.kind == "unusual"
            ]
            assert found, columns["level_kg"][55:]
            assert np.sign(found[0].change_kg) == np.sign(kg)
            assert max(alert.probability for alert in found) > sure


def test_a_strange_reading_is_unconfirmed_until_the_next_one(usual_people, filtered, alerts_of):
    """0.1 told 0.7 to 1.9 unusual changes a year, of which the most were single readings."""
    day, weights = usual_people(12, 40, 7.0, seed=5)
    weights[:, 30] += 7.0
    for known, kinds in ((31, {"unconfirmed"}), (32, set())):
        for columns, seen in zip(filtered(day[:known], weights[:, :known]), weights, strict=True):
            columns["level_kg"][30] = seen[30]  # as where the filter follows it
            at = columns["effective_at"][30]
            assert {alert.kind for alert in alerts_of(columns) if alert.at >= at} == kinds


def test_a_gap_says_nothing(usual_people, filtered, alerts_of):
    day, weights = usual_people(1, 60, 1.0, seed=5)
    day = np.concatenate([day[:30], day[30:] + 200])
    weights[0, 30:] += 9.0
    assert alerts_of(filtered(day, weights)[0], 0.01) == []


def test_nothing_is_said_of_a_person_without_a_level(usual_people, filtered, alerts_of):
    day, weights = usual_people(1, 40, 1.0, seed=5)
    weights[0, 20:] += 15.0
    (columns,) = filtered(day, weights)
    assert alerts_of(columns) != []
    for name in ("level_kg", "level_lo_kg", "level_hi_kg"):
        columns[name] = np.full(40, np.nan)
    assert alerts_of(columns) == []


def test_a_persons_alerts_do_not_depend_on_who_else_is_in_the_batch(
    usual_people, filtered, alerts_of, as_courses
):
    day, weights = usual_people(30, 90, 0.75, seed=7)  # 6.75 days apart is just a week ago
    weights[::2, 40:] += 6.0
    people = filtered(day, weights)
    for columns in people[5:]:  # some without a level in between
        for name in ("level_kg", "level_lo_kg", "level_hi_kg"):
            columns[name][::7] = np.nan
    alone = [alerts_of(columns, 2.0) for columns in people]
    assert sum(map(len, alone)) > 15
    assert unusual.unusual_changes(as_courses(people), PROCESS, 2.0) == alone
    assert unusual.unusual_changes(as_courses(people[::-1]), PROCESS, 2.0) == alone[::-1]


def test_the_window_reaches_back_to_the_same_hour(usual_people, filtered, alerts_of):
    """The reading before is the newest that is at least a window old, less a quarter of a day."""
    day, weights = usual_people(1, 60, 1.0, seed=5)
    weights[0, 50:] += 12.0
    (columns,) = filtered(day, weights)
    columns["level_kg"][:] = weights[0]  # as if every reading were exact
    first = next(a for a in alerts_of(columns) if a.at >= columns["effective_at"][50])
    assert first.days in (7.0, 30.0)


def test_a_threshold_rises_with_rarity_and_with_looks():
    assert unusual.threshold(0.1, 1, 7) > unusual.threshold(1.0, 1, 7)
    assert unusual.threshold(0.1, 1, 7) > unusual.threshold(0.1, 7, 7)
    # independent looks once a week: 2 * (1 - cdf(z)) * 52.18 crossings of a year is 1 at z = 2.34
    assert unusual.threshold(1.0, 7, 7) == pytest.approx(2.34, abs=0.02)


def test_probability_grows_with_the_change():
    p = [unusual.unusual(z, 7.0) for z in (0.0, 2.0, 4.0, 6.0, -6.0, 80.0)]
    assert p[:4] == sorted(p[:4])
    assert p[3] == p[4]
    assert p[0] < 0.01
    assert p[5] == pytest.approx(1.0)


def test_usual_variance_has_its_two_limits():
    short, long = movement.usual_variance(np.array([1e-3, 6000.0]), PROCESS)
    assert short == pytest.approx(PROCESS.level_kg2_per_day * 1e-3, rel=0.1)
    swing = PROCESS.trend_kg_per_week / 7 * PROCESS.trend_days
    assert long == pytest.approx(PROCESS.level_kg2_per_day * 6000 + 2 * swing**2)


def test_usual_variance_is_that_of_the_engines_process():
    """The variance of a Matérn-3/2 swing's change, from its own transition."""
    days, rate = 23.0, 1 / PROCESS.trend_days
    xx = swing_transition(days, rate)[0]
    stationary = (PROCESS.trend_kg_per_week / 7 / rate) ** 2
    walk = PROCESS.level_kg2_per_day * days
    told = movement.usual_variance(days, PROCESS)
    assert told == pytest.approx(walk + 2 * stationary * (1 - xx))
