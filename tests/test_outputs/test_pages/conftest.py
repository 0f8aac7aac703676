"""People for the pages: made up, with every kind of decision among their readings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch
from weightstream.engine.model import Process
from weightstream.engine.process import swing_noise, swing_transition
from weightstream.outputs.pages.changes import FOUR_WEEKS, change_over, levels, newest_changes
from weightstream.outputs.pages.person import Person, Trend
from weightstream.schema import REASONS

SOURCES = ("patient-device", "patient-upload", "care-team-upload", "initial-questionnaire")


def made_up_person(readings: int, seed: int = 0, user_id: str = "person-1") -> Person:
    """Weighed about daily, with a gap of 60 days, pounds typed as kg, and a level shift."""
    rng = np.random.default_rng(seed)
    steps = rng.exponential(1.2, readings)
    if readings > 20:
        steps[readings // 3] += 60
    day = np.datetime64("2022-03-01T06:30:00") + (np.cumsum(steps) * 86400).astype("timedelta64[s]")
    level = 92 - 0.012 * np.cumsum(steps) + np.cumsum(rng.normal(0, 0.08, readings))
    shift = 3 * readings // 4
    level[shift:] -= 4.0
    weight = np.round(level + rng.normal(0, 0.5, readings), 1)
    bad = rng.random(readings) < 0.04
    weight[bad] = np.round(weight[bad] * 2.2046, 1)
    if readings > 10:
        weight[5], bad[5] = 17.5, True
    floats: dict[str, Any] = {
        "weight_kg": weight,
        "p_valid": np.where(bad, 0.01, 0.98),
        "expected_kg": level,
        "expected_lo_kg": level - 1.4,
        "expected_hi_kg": level + 1.4,
        "level_kg": level,
        "level_lo_kg": level - 0.6,
        "level_hi_kg": level + 0.6,
        "trend_kg_per_week": np.convolve(rng.normal(-0.1, 0.3, readings), np.ones(9) / 9, "same"),
        "suggested_kg": np.where(bad & (weight > 100), weight / 2.2046, np.nan),
    }
    columns: dict[str, Any] = {
        name: [None if np.isnan(v) else float(v) for v in values] for name, values in floats.items()
    }
    columns |= {
        "measurement_id": [f"{i * 7919 + seed:016x}" for i in range(readings)],
        "user_id": [user_id] * readings,
        "effective_at": [f"{t}Z" if i % 9 else str(t)[:10] for i, t in enumerate(day)],
        "source": [SOURCES[k] for k in rng.choice(4, readings, p=[0.7, 0.2, 0.07, 0.03])],
        "raw_weight": [f"{v:.1f}" for v in weight],
        "raw_unit": ["kg"] * readings,
        "verdict": ["rejected" if b else "accepted" for b in bad],
        "p_reason": [0.9 if b else None for b in bad],
        "second_reason": ["other_person" if b else None for b in bad],
        "p_second": [0.1 if b else None for b in bad],
        "reason": [
            "ok" if not b else "unit_lb_as_kg" if v > 100 else "implausible"
            for b, v in zip(bad, weight, strict=True)
        ],
        "stage": ["causal"] * readings,
        "version": [1] * readings,
        "run_id": ["run-1"] * readings,
        "model": ["prior-1"] * readings,
        "file": ["weights.csv"] * readings,
        "line": list(range(2, readings + 2)),
    }
    shifts = (
        [(f"{day[shift]}Z", float(level[shift] + 4), float(level[shift]))] if readings > 20 else []
    )
    days = day.astype("datetime64[us]").astype(float) / 86_400e6
    return Person(user_id, columns, days, shifts, trend=trend(days, level), process=Process())


def trend(day: Any, level: Any) -> Trend:
    """Of levels that are each known to 0.6 kg."""
    known = levels(
        np.array([0, len(day)]), day, (level, level - 0.6, level + 0.6), np.array([True])
    )
    four_weeks = np.array(change_over(FOUR_WEEKS, known, Process()))
    return Trend(four_weeks, newest_changes(known, Process())[0])


@dataclass(frozen=True)
class Courses:
    indptr: Any
    time_us: Any
    columns: dict[str, Any]


def courses_of(people: list[dict[str, Any]]) -> Courses:
    """The columns of several persons as one batch."""
    at = [text for columns in people for text in columns["effective_at"]]
    lengths = [len(columns["effective_at"]) for columns in people]
    time_us = np.array([text.removesuffix("Z") for text in at], "datetime64[us]").astype(np.int64)
    names = [] if not people else list(people[0])
    concat = {name: [value for columns in people for value in columns[name]] for name in names}
    for name in names:
        if name.endswith("_kg") or name == "p_valid":
            concat[name] = np.array(concat[name], np.float64)
        if name in ("hour", "scale"):
            concat[name] = np.array(concat[name])
    return Courses(np.cumsum([0, *lengths]), time_us, concat)


SOURCE = "patient-device"
PROCESS = Process()


def usual_bodies(people: int, readings: int, spacing: float, seed: int) -> tuple[Any, Any]:
    """Days and weights (people, readings) that move exactly as the model says, at 7 o'clock."""
    return bodies_with_levels(people, readings, spacing, seed)[:2]


def bodies_with_levels(people: int, readings: int, spacing: float, seed: int) -> tuple[Any, ...]:
    """As usual_bodies, and their true levels: a random walk and a Matérn-3/2 swing."""
    rng = np.random.default_rng(seed)
    day = 20000.29 + spacing * np.arange(readings)
    rate_var, slow = (PROCESS.trend_kg_per_week / 7) ** 2, 1 / PROCESS.trend_days
    xx, xv, vx, vv = swing_transition(spacing, slow)
    qxx, qxv, qvv = swing_noise(spacing, slow, rate_var)
    shocks = np.linalg.cholesky([[qxx, qxv], [qxv, qvv]])
    walk = rng.uniform(75, 95, people)  # of about the size that the parameters stand for
    swing = rng.normal(0, np.sqrt(rate_var) / slow, people)
    rate = rng.normal(0, np.sqrt(rate_var), people)
    water = rng.normal(0, PROCESS.water_kg, people)
    dry = np.exp(-spacing / PROCESS.water_days)
    weights, levels = np.empty((people, readings)), np.empty((people, readings))
    for i in range(readings):
        levels[:, i] = walk + swing
        weights[:, i] = levels[:, i] + water + rng.normal(0, 0.4, people)
        walk = walk + rng.normal(0, np.sqrt(PROCESS.level_kg2_per_day * spacing), people)
        shock = shocks @ rng.normal(size=(2, people))
        swing, rate = xx * swing + xv * rate + shock[0], vx * swing + vv * rate + shock[1]
        water = water * dry + rng.normal(0, PROCESS.water_kg * np.sqrt(1 - dry**2), people)
    return day, weights, levels


def filter_bodies(day: Any, weights: Any) -> list[dict[str, Any]]:
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
            "reason": [REASONS[code] for code in out.reason[row]],
            "p_valid": out.p_valid[row],
            "level_kg": out.level[row],
            "level_lo_kg": out.level_lo[row],
            "level_hi_kg": out.level_hi[row],
            "hour": np.full(readings, 7.0),
            "scale": np.zeros(readings, np.int64),
        }
        for row in rows
    ]


@pytest.fixture
def usual_people() -> Callable[..., tuple[Any, Any]]:
    return usual_bodies


@pytest.fixture
def people_and_levels() -> Callable[..., tuple[Any, ...]]:
    return bodies_with_levels


@pytest.fixture
def filtered() -> Callable[..., list[dict[str, Any]]]:
    return filter_bodies


@pytest.fixture
def as_courses() -> Callable[..., Courses]:
    return courses_of


@pytest.fixture
def make_person() -> Callable[..., Person]:
    return made_up_person
