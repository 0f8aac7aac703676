"""Change of the level over four weeks and since the start, and what it says."""

import numpy as np
import pytest

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, smooth_batch
from weightstream.engine.model import Process
from weightstream.movement import kriged, usual_variance
from weightstream.outputs.pages.changes import (
    Change,
    change_over,
    direction,
    levels,
    newest_changes,
    with_four_weeks,
)

PROCESS = Process()
SOURCE = "patient-device"


def smoothed(day, weights):
    """What retro stores of people who weigh themselves on the same days."""
    people, readings = weights.shape
    batch = UserBatch(
        tuple(map(str, range(people))),
        np.arange(0, people * readings + 1, readings),
        np.tile(day, people),
        np.full(people * readings, 7.0),
        weights.ravel(),
        np.zeros(people * readings, np.int64),
        (SOURCE,),
    )
    out = smooth_batch(batch, build_model(Kalman(), {}, (SOURCE,)))
    estimate = (out.level, out.level_lo, out.level_hi)
    return levels(batch.indptr, batch.day, estimate, np.ones(people, bool))


def steady(kg_per_week, weeks, spacing, people=15, seed=4):
    """A loss as even as can be, seen with a home scale's noise."""
    rng = np.random.default_rng(seed)
    day = 20000.29 + np.arange(0, weeks * 7 + 1e-9, spacing)
    course = 92.0 + kg_per_week / 7 * (day - day[0])
    return day, course + rng.normal(0, 0.4, (people, len(day)))


def one(day, kg, half=0.4, one_source=True):
    day, kg = np.array(day, float), np.array(kg, float)
    indptr = np.array([0, len(day)])
    return levels(indptr, day, (kg, kg - half, kg + half), np.array([one_source]))


@pytest.mark.parametrize(
    ("kg_per_week", "weeks", "spacing"), [(-0.5, 26, 1), (-0.5, 26, 7), (-0.25, 8, 1)]
)
def test_a_steady_loss_reads_as_losing(kg_per_week, weeks, spacing):
    """0.1 said "no clear change" of 15 of 15 such persons: its rate was shrunk."""
    for changes in newest_changes(smoothed(*steady(kg_per_week, weeks, spacing)), PROCESS):
        word, change = direction(changes)
        assert word == "losing"
        assert change.hi < 0
        assert change.kg == pytest.approx(kg_per_week * change.days / 7, rel=0.5)


def test_a_steady_gain_reads_as_gaining():
    for changes in newest_changes(smoothed(*steady(0.4, 20, 1)), PROCESS):
        assert direction(changes)[0] == "gaining"


def test_who_stays_the_same_is_not_said_to_move():
    found = newest_changes(smoothed(*steady(0.0, 26, 1, people=60)), PROCESS)
    assert [direction(changes)[0] for changes in found].count("unclear") >= 57


def test_a_loss_that_ended_is_over():
    day, weights = steady(-0.5, 26, 1)
    weights[:, -42:] += 0.5 / 7 * np.arange(42)  # the last six weeks on one level
    said = [direction(changes)[0] for changes in newest_changes(smoothed(day, weights), PROCESS)]
    assert said.count("unclear") >= 13


@pytest.mark.parametrize("spacing", [1, 7, 20])
def test_intervals_hold_what_they_say(people_and_levels, spacing):
    """Of people who move as the model says: 95 % of true changes over four weeks, or some more."""
    day, weights, true = people_and_levels(120, 120, spacing, seed=8)
    known = smoothed(day, weights)
    change, lo, hi = (values.reshape(120, 120) for values in change_over(28, known, PROCESS))
    back = round(28 / spacing) if 28 % spacing == 0 else None
    if back is None:
        assert np.isfinite(change[:, 2:]).all()  # kriged between readings
        return
    moved = true[:, back:] - true[:, :-back]
    inside = (lo[:, back:] <= moved) & (moved <= hi[:, back:])
    assert 0.94 <= inside.mean() <= 0.995
    assert np.isnan(change[:, :back]).all()


def test_what_is_asked_for_and_known():
    known = one([0, 10, 60, 375, 400], [90, 89, 87, 81, 80])
    (changes,) = newest_changes(known, PROCESS)
    by_name = {change.name: change for change in changes}
    assert by_name.keys() == {"4 weeks", "year", "start", "visit"}
    assert by_name["start"].kg == -10
    assert by_name["start"].since == "1970-01-01"
    assert by_name["start"].share == pytest.approx(-10 / 90)
    assert by_name["visit"].kg == -1
    assert by_name["visit"].since == "1971-01-11"
    assert by_name["4 weeks"].kg == pytest.approx(-1, abs=0.3)
    daily = newest_changes(one(range(30), np.linspace(90, 89, 30)), PROCESS)[0]
    assert [change.name for change in daily] == ["4 weeks", "start"]
    assert newest_changes(one([5], [90]), PROCESS) == [[]]
    assert newest_changes(one([5, 5], [90, 90]), PROCESS) == [[]]


def test_no_change_is_told_over_a_time_without_readings():
    """A model alone would say of two readings nine years apart that nothing changed in the last
    four weeks."""
    nine_years = newest_changes(one([0, 3289], [78, 84]), PROCESS)[0]
    assert [change.name for change in nine_years] == ["start"]
    assert direction(nine_years) is None
    visits = newest_changes(one([0, 200, 300], [90, 88, 84]), PROCESS)[0]
    assert [change.name for change in visits] == ["13 weeks", "start", "visit"]
    assert direction(visits) == ("losing", visits[2])
    monthly = newest_changes(one([0, 36, 72, 108], [90, 89, 88, 87]), PROCESS)[0]
    assert direction(monthly)[1].name == "4 weeks"


def test_the_other_scale_of_another_source_counts():
    same, other = (one([0, 28], [90, 88], one_source=value) for value in (True, False))
    narrow, wide = (change_over(28, known, PROCESS)[2][1] for known in (same, other))
    assert wide > narrow


def test_a_level_between_readings_far_apart_is_hardly_known():
    """0.1 drew a line and two kg on both sides of it over nine years."""
    years = 9 * 365.25
    weight, left = kriged(np.array([years / 2]), np.array([years]), PROCESS)
    assert weight[0] == pytest.approx(0.5)
    assert 1.96 * np.sqrt(left[0]) > 8
    for ends in (0.0, years):
        assert kriged(np.array([ends]), np.array([years]), PROCESS)[1][0] == pytest.approx(0)


def test_kriging_of_a_random_walk_is_a_brownian_bridge():
    walk = Process(trend_kg_per_week=1e-9)
    weight, left = kriged(np.array([3.0]), np.array([10.0]), walk)
    assert weight[0] == pytest.approx(0.3)
    assert left[0] == pytest.approx(usual_variance(3.0 * 7.0 / 10.0, walk))


def test_people_do_not_change_each_other():
    day, weights = steady(-0.3, 10, 1, people=4)
    together = newest_changes(smoothed(day, weights), PROCESS)
    alone = [newest_changes(smoothed(day, row[None]), PROCESS)[0] for row in weights]
    assert together == alone


def test_eight_weeks_speak_where_four_are_too_few():
    def said(four, eight):
        changes = [
            Change(name, "2024-01-01", days, kg, kg - 0.8, kg + 0.8, kg / 90)
            for name, days, kg in (("4 weeks", 28.0, four), ("8 weeks", 56.0, eight))
        ]
        return direction(changes)[0]

    assert said(-0.7, -1.5) == "losing"
    assert said(0.7, 1.5) == "gaining"
    assert said(-0.1, -1.5) == "unclear"  # it ended four weeks ago
    assert said(0.2, -1.5) == "unclear"
    assert said(-0.3, -0.5) == "unclear"
    assert direction([]) is None


def test_half_a_year_speaks_where_visits_are_far_apart():
    """5 % of weight lost in half a year, seen once a month, is no "no clear change"."""

    def said(kg):
        changes = newest_changes(one(30 * np.arange(len(kg)), kg, half=1.2), PROCESS)[0]
        return direction(changes)

    word, change = said(64 - 0.55 * np.arange(9))
    assert (word, change.name) == ("losing", "26 weeks")
    assert change.hi < 0
    assert said(64 + 0.55 * np.arange(9))[0] == "gaining"
    assert said(64 - 0.15 * np.arange(9))[0] == "unclear"  # 1.5 % is weight maintenance
    assert said(np.array([64, 62, 60, 58, 56, 56, 56, 56, 56.0]))[0] == "unclear"  # it is over


def test_the_engines_change_takes_the_place_of_that_of_the_levels():
    day = np.linspace(0, 60, 30)
    (changes,) = newest_changes(one(day, 90 - 0.05 * day), PROCESS)
    ours = with_four_weeks(changes, np.array([-1.5, -2.0, -1.0]), 87.0)
    four = next(change for change in ours if change.name == "4 weeks")
    assert (four.kg, four.lo, four.hi) == (-1.5, -2.0, -1.0)
    assert four.share == pytest.approx(-1.5 / 88.5)
    assert [c for c in ours if c.name != "4 weeks"] == [c for c in changes if c.name != "4 weeks"]
