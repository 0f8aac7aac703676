"""Rapid gain and loss are told when they happen, whatever the judgement on their readings is."""

from dataclasses import replace
from datetime import datetime, timedelta
from math import inf

import numpy as np
import pytest

from weightstream.engine.model import Process
from weightstream.outputs.pages import rules
from weightstream.outputs.pages.alerts import Watch, alerts
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.rules import RULES, Rule, Scales

PROCESS = Process()
HEART, LOSS = RULES["heart-failure"], RULES["weight-loss"]


def scales(noise=0.4, error_rate=0.02, bias=0.0):
    return Scales(np.array([bias]), np.array([noise]), np.array([error_rate]))


@pytest.fixture
def told(as_courses):
    def tell(people, sets=HEART, least=0.2):
        found = as_courses(people)
        return rules.broken_rules(found, scales(), PROCESS, [sets] * len(people), least)

    return tell


def calm(people=4, readings=60, seed=3):
    """Who stay at one weight, weighed daily at seven with a home scale."""
    rng = np.random.default_rng(seed)
    day = 20000.29 + np.arange(readings)
    return day, 80.0 + rng.normal(0, 0.4, (people, readings))


@pytest.mark.parametrize(("kg", "days"), [(8.0, 5), (3.0, 3), (5.0, 7)])
def test_a_rapid_gain_is_told_of_everybody(filtered, told, kg, days):
    """0.1 told it of 0 of 4, 0 of 4 and 1 of 4."""
    day, weights = calm()
    weights[:, -days:] += kg / days * np.arange(1, days + 1)
    for person in told(filtered(day, weights)):
        assert [alert.kind for alert in person[-1:]] == ["rapid_gain"]
        assert person[-1].at >= f"{np.datetime64(0, 'D') + int(day[-days])}"
        assert person[-1].change_kg > 1.4


def test_of_a_stretch_that_is_sure_the_whole_change_is_told(filtered, told):
    """It told 4.9 kg in 3 days of a gain of 8 kg in 5, the first part of which was as sure."""
    day, weights = calm()
    weights[:, -5:] += 1.6 * np.arange(1, 6)
    for person in told(filtered(day, weights)):
        assert person[-1].change_kg > 7.0
        assert person[-1].at[:10] == f"{np.datetime64(0, 'D') + int(day[-1])}"
        assert person[-1].began < person[-1].at


def test_the_alert_waits_for_no_later_reading(filtered, told):
    """0.1 rejected these readings, and told nothing as long as it did."""
    day, weights = calm()
    weights[:, -5:] += 1.6 * np.arange(1, 6)
    for person in filtered(day[:-1], weights[:, :-1]):  # the day before the last
        person["verdict"][-3:], person["reason"][-3:] = ["rejected"] * 3, ["other_person"] * 3
        assert told([person])[0][-1].kind == "rapid_gain"


def test_calm_people_are_left_alone(filtered, told):
    day, weights = calm(people=40, readings=180)
    assert sum(map(len, told(filtered(day, weights)))) <= 2


def test_one_strange_reading_is_less_probable_than_two(filtered, told):
    day, weights = calm()
    weights[:, -1] += 5.0
    once = told(filtered(day, weights), least=0.0)
    weights[:, -2] += 5.0
    twice = told(filtered(day, weights), least=0.0)
    for a, b in zip(once, twice, strict=True):
        assert a[-1].probability < b[-1].probability


@pytest.mark.parametrize("reason", ["unit_kg_as_lb", "repeat", "superseded", "digit_swap"])
def test_slips_copies_and_withdrawn_readings_are_no_gain(filtered, told, reason):
    day, weights = calm(people=1)
    weights[:, -1] += 6.0
    (person,) = filtered(day, weights)
    person["verdict"][-1], person["reason"][-1] = "rejected", "outlier"
    assert told([person], least=0.05)[0]
    person["reason"][-1] = reason
    assert told([person], least=0.05)[0] == []


def test_what_a_person_rejected_is_no_gain_and_what_they_accepted_is_one(filtered, told):
    day, weights = calm(people=1)
    weights[:, -1] += 6.0
    (person,) = filtered(day, weights)
    person["verdict"][-1], person["reason"][-1] = "rejected", "override"
    assert told([person], least=0.05)[0] == []
    person["verdict"][-1] = "accepted"
    assert told([person], least=0.05)[0]


def test_an_evening_is_no_gain(filtered, told):
    day, weights = calm(people=1)
    weights[:, -1] += 1.6
    (person,) = filtered(day, weights)
    morning = told([person], least=0.0)[0]
    person["hour"][-1] = 21.0
    evening = told([person], least=0.0)[0]
    assert evening[-1].probability < morning[-1].probability


def test_a_stretch_is_one_alert(filtered, told):
    day, weights = calm(people=1, readings=120)
    weights[:, 60:] += np.minimum(np.arange(60), 6) * 1.0
    (found,) = told(filtered(day, weights))
    assert len(found) == 1
    assert found[0].probability > 0.9


@pytest.mark.parametrize(("kind", "days"), rules.STRETCH_DAYS.items())
@pytest.mark.parametrize(("seconds", "count"), [(0, 1), (1, 2)])
def test_a_stretch_lasts_to_the_second(kind, days, seconds, count):
    first = Alert("2024-01-01T07:00:00Z", kind, 2.0, 3.0, 0.5)
    at = datetime(2024, 1, 1, 7) + timedelta(days=days, seconds=seconds)
    later = replace(first, at=f"{at:%Y-%m-%dT%H:%M:%SZ}")
    assert len(rules._stretches([(9, later), (0, first)])) == count
    assert len(rules._stretches([(1, later), (0, first)])) == 1  # no reading said otherwise


def test_a_loss_that_monthly_visits_show_is_one_alert(filtered, told):
    """Each visit broke the rule, and each was an alert of its own, being 30.4 days later."""
    day = 20000.29 + 30.4 * np.arange(12)
    weights = np.array([[152, 150, 141, 133, 126, 121, 117, 113, 110, 108, 106, 105.0]])
    (found,) = told(filtered(day, weights), LOSS)
    assert len(found) == 1
    assert found[0].change_kg < -15.0


def test_the_end_of_a_fluid_episode_is_no_loss(filtered, told):
    day, weights = calm(people=5, readings=90)
    episode = np.interp(np.arange(90), [40, 44, 48, 52], [0, 6.4, 6.4, 0])
    assert told(filtered(day, weights + episode), LOSS) == [[]] * 5
    ends_lower = episode - np.interp(np.arange(90), [48, 70], [0, 6.0])
    for found in told(filtered(day, weights + ends_lower), LOSS):
        assert [alert.kind for alert in found] == ["weight_loss"]


def test_a_loss_is_told_by_its_share(filtered, told):
    day, weights = calm(people=3, readings=90)
    weights[:, 30:] -= np.minimum(np.arange(60), 40) * 0.15  # 6 kg of 80 in 40 days
    for found in told(filtered(day, weights), LOSS):
        assert [alert.kind for alert in found] == ["weight_loss"]
        assert found[0].change_kg < -3.5
        assert found[0].days <= 30.25
    assert told(filtered(day, weights), HEART) == [[], [], []]


def test_each_person_has_their_own_rules(filtered, as_courses):
    day, weights = calm(people=2)
    weights[:, -3:] += 1.5 * np.arange(1, 4)
    people = as_courses(filtered(day, weights))
    watch = Watch([("heart-failure",), ()], 1e-9, 0.2)
    found = alerts(people, scales(), PROCESS, watch)
    assert [len(person) for person in found] == [1, 0]


def test_an_improbable_alert_is_not_told(filtered, told):
    day, weights = calm()
    weights[:, -3:] += 1.0 * np.arange(1, 4)
    people = filtered(day, weights)
    assert all(told(people, least=0.0))
    assert told(people, least=0.9999) == [[]] * 4
    assert told(people, [Rule("rapid_gain", 3.0, kg=inf)], least=0.0) == [[]] * 4


def test_the_newest_reading_is_flagged_before_it_is_called_wrong(filtered, as_courses):
    day, weights = calm(people=1)
    weights[0, -1] -= 7.0
    (columns,) = filtered(day, weights)
    columns["verdict"][-1], columns["reason"][-1] = "rejected", "outlier"
    for name in ("level_kg", "level_lo_kg", "level_hi_kg"):
        columns[name][-1] = columns[name][-2]  # what is rejected moves no level
    watch = Watch([("unusual",)], 0.1, 0.2)
    last = alerts(as_courses([columns]), scales(), PROCESS, watch)[0][-1]
    assert (last.kind, last.at) == ("unconfirmed", columns["effective_at"][-1])
    assert last.change_kg == pytest.approx(-7.0, abs=2.0)
    columns["reason"][-1] = "unit_lb_as_kg"  # a known slip is no emergency
    found = alerts(as_courses([columns]), scales(), PROCESS, watch)[0]
    assert all(alert.kind != "unconfirmed" for alert in found)


def test_one_event_is_one_alert_of_the_rule(filtered, as_courses):
    """0.1 told +8 kg in 5 days first as an unusual change."""
    day, weights = calm()
    weights[:, -5:] += 1.6 * np.arange(1, 6)
    people = as_courses(filtered(day, weights))
    watch = Watch([("heart-failure", "unusual")] * 4, 0.1, 0.2)
    for found in alerts(people, scales(), PROCESS, watch):
        assert [alert.kind for alert in found] == ["rapid_gain"]
    both = Watch([("unusual",)] * 4, 0.1, 0.2)
    for found in alerts(people, scales(), PROCESS, both):
        assert [alert.kind for alert in found] == ["unusual"]


def test_a_level_between_rejected_readings_is_no_unusual_change(filtered, as_courses):
    """0.1 told five of a person of whom 51 of 60 readings were rejected."""
    day, weights = calm(people=1)
    weights[:, 40:] -= 6.0
    (columns,) = filtered(day, weights)
    columns["verdict"][:] = ["accepted"] * 60
    watch = Watch([("unusual",)], 0.1, 0.2)
    assert alerts(as_courses([columns]), scales(), PROCESS, watch)[0]
    columns["verdict"][30:] = ["rejected", "rejected", "accepted"] * 10
    columns["reason"][30:] = ["implausible", "implausible", "ok"] * 10
    assert alerts(as_courses([columns]), scales(), PROCESS, watch)[0] == []


@pytest.mark.parametrize(("sets", "kg"), [(LOSS, -9.0), (HEART, 9.0)])
def test_a_level_between_rejected_readings_breaks_no_rule(filtered, told, sets, kg):
    """Of a stream of nonsense the filter's level leapt by 14 kg in a day: "over 0.99"."""
    day, weights = calm(people=1)
    weights[:, 40:] += kg
    (columns,) = filtered(day, weights)
    columns["verdict"][:] = ["accepted"] * 60
    assert told([columns], sets)[0]
    columns["weight_kg"][40:] = 80.0  # what was accepted shows nothing
    columns["verdict"][:] = (["rejected"] * 4 + ["accepted"]) * 12
    columns["reason"][:] = (["implausible"] * 4 + ["ok"]) * 12
    assert told([columns], sets)[0] == []


def test_readings_that_show_a_gain_count_though_they_are_rejected(filtered, told):
    """If the level showed it more surely, it took the readings' own alert along."""
    day, weights = calm(people=1)
    weights[:, 40:] += 9.0
    (columns,) = filtered(day, weights)
    columns["verdict"][:] = (["rejected"] * 4 + ["accepted"]) * 12
    columns["reason"][:] = (["outlier"] * 4 + ["ok"]) * 12
    found = told([columns], HEART)[0]
    assert [alert.kind for alert in found] == ["rapid_gain"]
    assert found[0].change_kg > 7.0


def test_a_loss_of_the_level_is_no_surer_than_the_reading_that_shows_it(filtered, told):
    """70 kg, then 63, which is right with 0.82: the alert was told with a probability of 1.00."""
    day = 20000.29 + 7.0 * np.arange(6)
    (columns,) = filtered(day, np.array([[70.0, 70.0, 70.0, 70.0, 70.0, 63.0]]))
    columns["verdict"][-1], columns["reason"][-1] = "accepted", "ok"
    columns["p_valid"][-1] = 0.82
    columns["level_kg"][-1], columns["level_lo_kg"][-1] = 63.1, 62.5
    columns["level_hi_kg"][-1] = 63.7
    (alert,) = told([columns], LOSS)[0]
    assert alert.probability <= 0.82


def test_a_gain_that_nothing_explains_is_no_gain_and_no_warning(filtered, told):
    """Of 600 kg in a day no hypothesis has a density; the levels beside it rise."""
    day, weights = calm(people=1)
    weights[:, -3:] += 3.0
    (person,) = filtered(day, weights)
    person["weight_kg"][-1] = 700.0
    person["level_kg"][-3:] += 3.0
    with np.errstate(invalid="raise", divide="raise"):
        assert all(alert.change_kg < 10.0 for alert in told([person])[0])
