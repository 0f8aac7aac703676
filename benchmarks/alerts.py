"""How often alerts are right and wrong, and how soon they come: the tables of docs/dashboards.md.

    python -m benchmarks.alerts [--people 200] [--seed 1]

People move as the model says ("model"), or as public home logs do ("home logs": level and noise by
the growth of their variance over 1-60 days, steps with the tails of a t distribution, 1 % strange
readings). Half a year passes without an event; then everybody gains fluid or loses weight.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weightstream.batch import UserBatch
from weightstream.config import Kalman
from weightstream.engine import build_model, filter_batch
from weightstream.engine.model import Process
from weightstream.outputs.pages.alerts import UNUSUAL, Watch, alerts
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.rules import Scales
from weightstream.outputs.watching import Filtered
from weightstream.schema import REASONS

Floats = npt.NDArray[np.float64]
PROCESS = Process()
SOURCE = "patient-device"
SPACINGS = (1.0, 3.0, 7.0)
CALM_DAYS = 365
EVENT_DAYS = 90
HOME_KG2_PER_DAY, HOME_NOISE_KG, HOME_DF = 0.07, 0.32, 3.7
STRANGE_SHARE = 0.01
LEAST = 0.2
"""The default of alerts.least_probability; the others show what it is worth."""


@dataclass(frozen=True)
class Event:
    """What happens to a weight from a day on; shape: kg by the days since then."""

    name: str
    kind: str
    shape: Callable[[Floats], Floats]


EVENTS = (
    Event("+3 kg in 3 days", "rapid_gain", lambda d: np.clip(d, 0, 3) * 1.0),
    Event("+5 kg in 7 days", "rapid_gain", lambda d: np.clip(d, 0, 7) * 5 / 7),
    Event("+8 kg in 5 days", "rapid_gain", lambda d: np.clip(d, 0, 5) * 8 / 5),
    Event("-7 % in 30 days", "weight_loss", lambda d: -np.clip(d, 0, 30) * 0.07 * 80 / 30),
    Event("-6 kg in 5 days", "unusual", lambda d: -np.clip(d, 0, 5) * 6 / 5),
)
SET_OF = {"rapid_gain": "heart-failure", "weight_loss": "weight-loss", "unusual": UNUSUAL}


def model_level(rng: np.random.Generator, people: int, days: Floats) -> tuple[Floats, float]:
    """Levels with their water (people, readings), and the noise of a reading, by the model."""
    gap = float(days[1] - days[0])
    rate_sd, tau = PROCESS.trend_kg_per_week / 7, PROCESS.trend_days
    kept, dry = np.exp(-gap / tau), np.exp(-gap / PROCESS.water_days)
    level, rate = np.full(people, 80.0), rng.normal(0, rate_sd, people)
    water, out = rng.normal(0, PROCESS.water_kg, people), np.empty((people, len(days)))
    for i in range(len(days)):
        out[:, i] = level + water
        wander = np.sqrt(PROCESS.level_kg2_per_day * gap)
        level = level + rate * tau * (1 - kept) + rng.normal(0, wander, people)
        rate = rate * kept + rng.normal(0, rate_sd * np.sqrt(1 - kept**2), people)
        water = water * dry + rng.normal(0, PROCESS.water_kg * np.sqrt(1 - dry**2), people)
    return out, 0.4


def home_level(rng: np.random.Generator, people: int, days: Floats) -> tuple[Floats, float]:
    """As model_level, as public home logs move."""
    gap = float(days[1] - days[0])
    scale = np.sqrt(HOME_KG2_PER_DAY * gap * (HOME_DF - 2) / HOME_DF)
    steps = rng.standard_t(HOME_DF, (people, len(days))) * scale
    # Home weights turn back in the long run; without that some would leave a body's range.
    out = np.empty_like(steps)
    level = np.zeros(people)
    for i in range(len(days)):
        out[:, i] = 80.0 + level
        level = level * np.exp(-gap / 120.0) + steps[:, i]
    return out, HOME_NOISE_KG


WORLDS = {"model": model_level, "home logs": home_level}


def courses(days: Floats, weights: Floats) -> Filtered:
    """What alerts are made from, by the real causal filter."""
    people, readings = weights.shape
    batch = UserBatch(
        tuple(map(str, range(people))),
        np.arange(0, people * readings + 1, readings),
        np.tile(days, people),
        np.full(people * readings, 7.0),
        weights.round(1).ravel(),
        np.zeros(people * readings, np.int64),
        (SOURCE,),
    )
    out = filter_batch(batch, build_model(Kalman(), {}, (SOURCE,)))
    at = [f"{t}Z" for t in (days * 86400).astype("datetime64[s]")]
    columns = {
        "effective_at": at * people,
        "weight_kg": batch.weight_kg,
        "verdict": np.where(out.accepted, "accepted", "rejected").tolist(),
        "reason": [REASONS[code] for code in out.reason],
        "p_valid": out.p_valid,
        "level_kg": out.level,
        "level_lo_kg": out.level_lo,
        "level_hi_kg": out.level_hi,
        "hour": batch.hour,
        "scale": batch.source,
    }
    return Filtered(batch.indptr, (batch.day * 86_400e6).astype(np.int64), columns)


def told(
    days: Floats, weights: Floats, names: tuple[str, ...], least: float = LEAST
) -> list[list[Alert]]:
    people = courses(days, weights)
    scales = Scales(np.zeros(1), np.array([0.4]), np.array([0.021]))
    return alerts(people, scales, PROCESS, Watch([names] * len(weights), 0.1, least))


def day_of(alert: Alert) -> float:
    return float(np.datetime64(alert.at.removesuffix("Z"), "s").astype(np.int64)) / 86_400


def spoilt(rng: np.random.Generator, weights: Floats) -> Floats:
    """Some readings are another person's, or a bag is held."""
    strange = rng.random(weights.shape) < STRANGE_SHARE
    return np.where(strange, weights + rng.normal(0, 8.0, weights.shape), weights)


def measured(people: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Rows of the table: world, spacing, what, false alarms a year or hits and delays."""
    for world, level_of in WORLDS.items():
        for spacing in SPACINGS:
            rng = np.random.default_rng(seed)
            days = 20000.29 + np.arange(0, CALM_DAYS + EVENT_DAYS, spacing)
            level, noise = level_of(rng, people, days)
            weights = spoilt(rng, level + rng.normal(0, noise, level.shape))
            calm = days < days[0] + CALM_DAYS
            for kind, name in SET_OF.items():
                found = told(days[calm], weights[:, calm], (name,))
                yield world, f"{spacing:g}", kind, f"{_a_year(found, kind, people)} a year"
                unreal = [
                    [a for a in some if not moved_so(a, days, course)]
                    for some, course in zip(found, level, strict=True)
                ]
                yield world, f"{spacing:g}", f"{kind}, not real", _a_year(unreal, kind, people)
            for least in (0.0, 0.5):
                found = told(days[calm], weights[:, calm], ("heart-failure",), least)
                share = sum(map(len, found)) / people
                yield world, f"{spacing:g}", f"rapid_gain, p >= {least:g}", f"{share:.2f} a year"
            start = days[calm][-1]
            for event in EVENTS:
                moved = weights + event.shape(days - start)
                yield world, f"{spacing:g}", event.name, hits(days, moved, start, event)


def _a_year(found: list[list[Alert]], kind: str, people: int) -> str:
    return f"{sum(a.kind == kind for some in found for a in some) / people:.2f}"


def moved_so(alert: Alert, days: Floats, level: Floats) -> bool:
    """Whether the true level, with its water, changed by half of what the alert says, or more."""
    now = int(np.searchsorted(days, day_of(alert) + 0.01)) - 1
    then = int(np.searchsorted(days, day_of(alert) - alert.days - 0.01))
    return bool((level[now] - level[then]) / alert.change_kg >= 0.5)


def hits(days: Floats, weights: Floats, start: float, event: Event) -> str:
    """Share of people of whom the event is told within 30 days, and after how long."""
    delays, readings = [], []
    # What a person knew on a day: alerts of a course that ends there.
    ends = [end for end in days if start < end <= start + 45]
    waiting = set(range(len(weights)))
    for k, end in enumerate(ends, start=1):
        if not waiting:
            break
        some = sorted(waiting)
        known = days <= end
        for person, found in zip(
            some, told(days[known], weights[some][:, known], (SET_OF[event.kind],)), strict=True
        ):
            if any(a.kind == event.kind and day_of(a) > start for a in found):
                waiting.discard(person)
                delays.append(float(end - start))
                readings.append(k)
    share = 1 - len(waiting) / len(weights)
    if not delays:
        return "0 %"
    return f"{share:.0%}, after {np.median(delays):g} days, {np.median(readings):g} readings"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for row in measured(options.people, options.seed):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
