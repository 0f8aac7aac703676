"""Unusual changes: found where they are, and seldom where they are not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch
from weightstream.engine.model import Process
from weightstream.outputs.pages import alerts


@dataclass(frozen=True)
class Courses:
    indptr: Any
    time_us: Any
    columns: dict[str, Any]


def courses(people: list[dict[str, Any]]) -> Courses:
    """The columns of several persons as one batch."""
    at = [text for columns in people for text in columns["effective_at"]]
    lengths = [len(columns["effective_at"]) for columns in people]
    time_us = np.array([text.removesuffix("Z") for text in at], "datetime64[us]").astype(np.int64)
    names = [] if not people else list(people[0])
    concat = {name: [value for columns in people for value in columns[name]] for name in names}
    for name in names:
        if name.endswith("_kg") or name == "p_valid":
            concat[name] = np.array(concat[name], np.float64)
    return Courses(np.cumsum([0, *lengths]), time_us, concat)


def alerts_of(columns: dict[str, Any], asked: float = 0.1) -> list[alerts.Alert]:
    (found,) = alerts.alerts(courses([columns]), PROCESS, asked)
    return found


SOURCE = "patient-device"
PROCESS = Process()


def usual_people(people: int, readings: int, spacing: float, seed: int) -> tuple[Any, Any]:
    """Days and weights (people, readings) that move exactly as the model says, at 7 o'clock."""
    rng = np.random.default_rng(seed)
    day = 20000.29 + spacing * np.arange(readings)
    rate_sd, tau = PROCESS.trend_kg_per_week / 7, PROCESS.trend_days
    level, rate = rng.uniform(55, 120, people), rng.normal(0, rate_sd, people)
    water = rng.normal(0, PROCESS.water_kg, people)
    kept, dry = np.exp(-spacing / tau), np.exp(-spacing / PROCESS.water_days)
    weights = np.empty((people, readings))
    for i in range(readings):
        weights[:, i] = level + water + rng.normal(0, 0.4, people)
        wander = np.sqrt(PROCESS.level_kg2_per_day * spacing)
        level = level + rate * tau * (1 - kept) + rng.normal(0, wander, people)
        rate = rate * kept + rng.normal(0, rate_sd * np.sqrt(1 - kept**2), people)
        water = water * dry + rng.normal(0, PROCESS.water_kg * np.sqrt(1 - dry**2), people)
    return day, weights


def filtered(day: Any, weights: Any) -> list[dict[str, Any]]:
    """The export columns that alerts need, by the real engine."""
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
    out = filter_batch(batch, build_model(Kalman(), {}, (SOURCE,)))
    at = [f"{t}Z" for t in (day * 86400).astype("datetime64[s]")]
    rows = [slice(k * readings, (k + 1) * readings) for k in range(people)]
    return [
        {
            "effective_at": at,
            "weight_kg": batch.weight_kg[row],
            "verdict": np.where(out.accepted[row], "accepted", "rejected").tolist(),
            "reason": np.where(out.accepted[row], "ok", "outlier").tolist(),
            "p_valid": out.p_valid[row],
            "level_kg": out.level[row],
            "level_lo_kg": out.level_lo[row],
            "level_hi_kg": out.level_hi[row],
        }
        for row in rows
    ]


@pytest.mark.parametrize(("spacing", "readings"), [(1.0, 730), (7.0, 156)])
def test_false_alerts_are_about_as_rare_as_asked(spacing, readings):
    asked = 1.0
    people = filtered(*usual_people(100, readings, spacing, seed=11))
    found = sum(map(len, alerts.alerts(courses(people), PROCESS, asked)))
    a_year = found / (100 * spacing * readings / 365.25)
    assert asked / 5 < a_year < asked * 1.3


def test_fewer_are_found_where_fewer_are_asked_for():
    people = filtered(*usual_people(60, 365, 1.0, seed=3))
    counts = [sum(map(len, alerts.alerts(courses(people), PROCESS, n))) for n in (5.0, 1.0, 0.05)]
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize(("kg", "days"), [(-6.0, 5), (5.0, 6)])
def test_a_fast_change_is_found_within_days_and_is_surely_unusual(kg, days):
    day, weights = usual_people(20, 120, 1.0, seed=5)
    weights[:, 60:] += np.clip((day[60:] - day[60]) / days, 0, 1) * kg
    for known, sure in ((70, 0.5), (120, 0.9)):  # what is said nine days after it began, and later
        for columns in filtered(day[:known], weights[:, :known]):
            found = [
                alert
                for alert in alerts_of(columns, 0.1)
                if alert.at >= columns["effective_at"][60] and alert.kind == "change"
            ]
            assert found, columns["level_kg"][55:]
            assert np.sign(found[0].change_kg) == np.sign(kg)
            assert max(alert.probability for alert in found) > sure


def test_the_newest_reading_is_flagged_before_it_is_called_wrong():
    day, weights = usual_people(1, 60, 1.0, seed=5)
    weights[0, -1] += 7.0
    columns = filtered(day, weights)[0]
    assert columns["verdict"][-1] == "rejected"
    last = alerts_of(columns)[-1]
    assert (last.kind, last.at) == ("unconfirmed", columns["effective_at"][-1])
    assert last.change_kg == pytest.approx(7.0, abs=2.0)
    columns["reason"][-1] = "unit_lb_as_kg"  # a known slip is no emergency
    assert all(a.kind == "change" for a in alerts_of(columns))


def test_a_gap_says_nothing():
    day, weights = usual_people(1, 60, 1.0, seed=5)
    day = np.concatenate([day[:30], day[30:] + 200])
    weights[0, 30:] += 9.0
    assert alerts_of(filtered(day, weights)[0], 0.01) == []


def test_nothing_is_said_of_a_person_without_a_level():
    day, weights = usual_people(1, 40, 1.0, seed=5)
    weights[0, 20:] += 15.0
    (columns,) = filtered(day, weights)
    assert alerts_of(columns) != []
    for name in ("level_kg", "level_lo_kg", "level_hi_kg"):
        columns[name] = np.full(40, np.nan)
    assert alerts_of(columns) == []


def test_a_persons_alerts_do_not_depend_on_who_else_is_in_the_batch():
    day, weights = usual_people(30, 90, 0.75, seed=7)  # 6.75 days apart is just a week ago
    weights[::2, 40:] += 6.0
    people = filtered(day, weights)
    for columns in people[5:]:  # some without a level in between
        for name in ("level_kg", "level_lo_kg", "level_hi_kg"):
            columns[name][::7] = np.nan
    alone = [alerts_of(columns, 2.0) for columns in people]
    assert sum(map(len, alone)) > 15
    assert alerts.alerts(courses(people), PROCESS, 2.0) == alone
    assert alerts.alerts(courses(people[::-1]), PROCESS, 2.0) == alone[::-1]


def test_the_window_reaches_back_to_the_same_hour():
    """The reading before is the newest that is at least a window old, less a quarter of a day."""
    day, weights = usual_people(1, 60, 1.0, seed=5)
    weights[0, 50:] += 12.0
    (columns,) = filtered(day, weights)
    columns["level_kg"][:] = weights[0]  # as if every reading were exact
    first = next(a for a in alerts_of(columns) if a.at >= columns["effective_at"][50])
    assert first.days in (7.0, 30.0)


def test_a_threshold_rises_with_rarity_and_with_looks():
    assert alerts.threshold(0.1, 1, 7) > alerts.threshold(1.0, 1, 7)
    assert alerts.threshold(0.1, 1, 7) > alerts.threshold(0.1, 7, 7)
    # independent looks once a week: 2 * (1 - cdf(z)) * 52.18 crossings of a year is 1 at z = 2.34
    assert alerts.threshold(1.0, 7, 7) == pytest.approx(2.34, abs=0.02)


def test_probability_grows_with_the_change():
    p = [alerts.unusual(z, 7.0) for z in (0.0, 2.0, 4.0, 6.0, -6.0, 80.0)]
    assert p[:4] == sorted(p[:4])
    assert p[3] == p[4]
    assert p[0] < 0.01
    assert p[5] == pytest.approx(1.0)


def test_usual_variance_has_its_two_limits():
    short, long = alerts.usual_variance(np.array([1e-3, 6000.0]), PROCESS)
    assert short == pytest.approx(PROCESS.level_kg2_per_day * 1e-3, rel=0.1)
    daily = PROCESS.trend_kg_per_week / 7
    diffusion = PROCESS.level_kg2_per_day + 2 * daily**2 * PROCESS.trend_days
    assert long == pytest.approx(diffusion * 6000, rel=0.02)
