"""Courses of bodies: what a weight really does, and no reading is wrong.

Each function draws one person's series. Sizes and times are of the clinic and the bathroom, not of
the engine's model.
"""

from dataclasses import replace

import numpy as np

from benchmarks.course_series import (
    CLINIC,
    KG_PER_LB,
    Rng,
    Series,
    adult_kg,
    course,
    in_clinic,
    joined,
    literal,
    mornings,
    wander,
    weighed,
)
from weightstream.types import Floats

# --- fluid


def _fluid(rng: Rng, days: Floats, start: float) -> Floats:
    """+6 to +12 kg in 2-6 days from `start` on, held for 0-3 days, gone in 4-12 days."""
    knots = np.cumsum([start, rng.uniform(2, 6), rng.uniform(0, 3), rng.uniform(4, 12)])
    return np.interp(days, knots, np.array([0, 1, 1, 0]) * rng.uniform(6, 12))


def _with_episode(series: Series, extra: Floats, base: float) -> Series:
    """extra: (N,) kg of the episode; its rows are those where it is more than a tenth."""
    inside = np.abs(extra) > 0.1 * np.abs(extra).max()
    return replace(series, episode=inside, base=base)


@course
def fluid_daily(rng: Rng) -> Series:
    days = np.flatnonzero(rng.random(120) < 0.93).astype(float)
    base = adult_kg(rng)
    extra = _fluid(rng, days, 60)
    return _with_episode(
        weighed(rng, mornings(rng, days), base + wander(rng, days) + extra), extra, base
    )


@course
def fluid_twice_a_day(rng: Rng) -> Series:
    times = np.sort(np.concatenate([mornings(rng, np.arange(120)), np.arange(120) + 0.88]))
    base = adult_kg(rng)
    extra = _fluid(rng, times, 60)
    return _with_episode(weighed(rng, times, base + wander(rng, times) + extra), extra, base)


@course
def fluid_clinic(rng: Rng) -> Series:
    """Visits a month apart; weighed daily on the ward."""
    visits = np.cumsum(rng.uniform(20, 40, 8))
    ward = visits[-1] + 20 + np.arange(24)
    after = ward[-1] + np.cumsum(rng.uniform(20, 40, 5))
    days = np.floor(np.concatenate([visits, ward, after]))
    base = adult_kg(rng)
    extra = _fluid(rng, days, ward[0])
    return _with_episode(in_clinic(rng, days, base + wander(rng, days) + extra), extra, base)


@course
def fluid_as_reported(rng: Rng) -> Series:
    rise = [90, 92, 94, 96, 98, 100, 98.5, 97, 95.5, 94, 92.5, 91, 89.5]
    kg = np.array([88.0] * 60 + rise + [88.0] * 30)
    return _with_episode(literal(np.arange(len(kg)), kg), kg - 88, 88.0)


@course
def admission_after_gap(rng: Rng) -> Series:
    """Home daily, then nothing for months, then the ward: 12 kg more, a kg a day less."""
    home = np.arange(60.0)
    base = adult_kg(rng)
    at_home = weighed(rng, mornings(rng, home), base + wander(rng, home))
    ward = 60 + np.floor(rng.uniform(60, 200)) + np.arange(14.0)
    extra = np.maximum(12 - rng.uniform(0.7, 1.1) * (ward - ward[0]), 0)
    return joined(at_home, _with_episode(in_clinic(rng, ward, base + extra), extra, base))


# --- surgery and illness


def _bariatric(rng: Rng, days: Floats, start: float) -> Floats:
    """About a third of the weight lost, half of that in 4 months."""
    before = rng.uniform(115, 170)
    share = rng.uniform(0.25, 0.38) * (1 - np.exp(-np.maximum(days - start, 0) / 160))
    return before * (1 - share)


@course
def bariatric_daily(rng: Rng) -> Series:
    days = np.flatnonzero(rng.random(460) < 0.8).astype(float)
    return weighed(rng, mornings(rng, days), _bariatric(rng, days, 60) + wander(rng, days))


@course
def bariatric_12_visits(rng: Rng) -> Series:
    days = np.array([0, 30, 55, 75, 90, 120, 150, 210, 270, 330, 420, 600.0]) + rng.integers(
        -5, 6, 12
    )
    return in_clinic(rng, days, _bariatric(rng, days, 60))


@course
def bariatric_4_visits(rng: Rng) -> Series:
    days = np.array([0, 40, 240, 420.0]) + rng.integers(-9, 10, 4)
    return in_clinic(rng, days, _bariatric(rng, days, 50))


@course
def bariatric_as_reported(rng: Rng) -> Series:
    return literal([0, 40, 240, 420], [131.5, 132, 90.5, 89.8])


@course
def bariatric_as_reported_5(rng: Rng) -> Series:
    return literal([0, 40, 240, 420, 430], [131.5, 132, 90.5, 89.8, 90.1])


@course
def pregnancy_and_birth(rng: Rng) -> Series:
    days = np.floor(np.cumsum(rng.choice([2, 3, 4, 7], 160)))
    gain, birth = rng.uniform(10, 18), 330.0
    knots = np.array([50, 140, birth, birth + 1, birth + 10, birth + 60, birth + 250])
    extra = np.interp(days, knots, gain * np.array([0, 0.25, 1, 0.55, 0.42, 0.25, 0.1]))
    return weighed(rng, mornings(rng, days), rng.uniform(55, 85) + wander(rng, days) + extra)


@course
def dialysis(rng: Rng) -> Series:
    """Before and after each session, three a week; what is slow is the weight after."""
    session = (7 * np.arange(26)[:, None] + [0, 2, 4]).ravel().astype(float)
    dry = adult_kg(rng) + wander(rng, session)
    gain = rng.uniform(2.0, 3.5) * np.tile([1.3, 0.9, 0.9], 26) * rng.uniform(0.7, 1.3, 78)
    time = np.stack([session + 8 / 24, session + 12.5 / 24], axis=1).ravel()
    level = np.stack([dry + gain, dry], axis=1).ravel()
    series = weighed(rng, time, level, CLINIC, noise_kg=0.2, water_kg=0.0)
    series.level[:] = np.nan
    return series


def _amputation(rng: Rng, kg: float) -> Series:
    """Home most days, three weeks in hospital, home again."""
    before, after = np.arange(80.0), 80 + np.floor(rng.uniform(12, 30)) + np.arange(60.0)
    days = np.concatenate([before, after])
    level = adult_kg(rng) + 8 + wander(rng, days) - kg * (days > 80)
    return weighed(rng, mornings(rng, days), level)


@course
def amputation_7(rng: Rng) -> Series:
    return _amputation(rng, 7.5)


@course
def amputation_14(rng: Rng) -> Series:
    return _amputation(rng, 14.0)


@course
def amputation_14_clinic(rng: Rng) -> Series:
    days = np.floor(np.cumsum(rng.uniform(20, 80, 14)))
    return in_clinic(rng, days, adult_kg(rng) + 14 + wander(rng, days) - 14 * (days > days[6]))


@course
def cachexia(rng: Rng) -> Series:
    days = np.floor(np.cumsum(rng.uniform(4, 16, 40)))
    lost = np.clip((days - 100) / rng.uniform(90, 150), 0, 1) * rng.uniform(0.18, 0.28)
    return in_clinic(rng, days, (adult_kg(rng) + wander(rng, days)) * (1 - lost))


@course
def refeeding(rng: Rng) -> Series:
    """35 to 50 kg in ten weeks on a ward, the first days mostly water."""
    days = np.floor(np.cumsum(rng.choice([1, 2, 3], 60)))
    level = np.interp(days, [14, 19, 84, 130], [35, 38, 49, 50.5]) + 0.3 * wander(rng, days)
    return weighed(rng, mornings(rng, days), level, CLINIC, noise_kg=0.3)


@course
def cut_and_bulk(rng: Rng) -> Series:
    """Up 8 kg, down 10, and 4 kg of water in three days before a contest, back in two."""
    days = np.arange(280.0)
    knots = [0, 30, 114, 130, 210, 213, 215, 280]
    extra = np.interp(days, knots, [0, 0, 8, 8, -2, -6, -1, 0])
    return weighed(rng, mornings(rng, days), rng.uniform(70, 100) + 0.5 * wander(rng, days) + extra)


# --- any body

MONTHS = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 24, 36, 48, 60, 72, 84.0])
CHILD_KG = np.array(
    [3.3, 4.3, 5.3, 6.1, 6.7, 7.2, 7.6, 8.3, 8.9, 9.3, 10.0, 10.6, 11.8, 14.1, 16.2, 18.3, 20.6, 23]
)
"""Weights of children by age, about the median of both sexes."""


def _child(rng: Rng, days: Floats) -> Floats:
    """A child on its own percentile, days after birth; a newborn loses 6 % first."""
    size = rng.lognormal(0, 0.1) * np.exp(wander(rng, days) * 0.03)
    loss = 1 - 0.06 * np.interp(days, [0, 3, 11], [0, 1, 0])
    return size * loss * np.interp(days / 30.44, MONTHS, CHILD_KG)


@course
def infant_home(rng: Rng) -> Series:
    days = np.floor(np.cumsum(rng.choice([1, 2, 3, 7, 14], 90))) - 1
    level = _child(rng, days)
    return weighed(rng, mornings(rng, days), level, noise_kg=0.04, water_kg=0.03, step_kg=0.01)


@course
def infant_clinic(rng: Rng) -> Series:
    days = np.array([0, 3, 14, 32, 61, 122, 183, 274, 365, 456, 548, 730.0])
    level = _child(rng, days)
    return weighed(rng, days + 0.45, level, CLINIC, 0.1, 0.03, 0.01, dates=True)


@course
def infant_with_error(rng: Rng) -> Series:
    """One of the readings is in pounds, labelled kg."""
    series = infant_home(rng)
    row = np.array([rng.integers(20, 80)])
    return series.changed(row, np.round(series.kg[row] / KG_PER_LB, 2), "unit_lb_as_kg")


@course
def child_12_to_24(rng: Rng) -> Series:
    days = 730 + np.floor(np.cumsum(rng.uniform(60, 200, 15)))
    return weighed(rng, days + 0.45, _child(rng, days), CLINIC, 0.3, 0.1, dates=True)


def _heavy_home(rng: Rng, kg: float) -> Series:
    days = np.arange(60.0)
    return weighed(rng, mornings(rng, days), kg * rng.uniform(0.98, 1.02) + wander(rng, days))


def _heavy_clinic(rng: Rng, kg: float) -> Series:
    days = np.floor(np.cumsum(rng.uniform(5, 60, 12)))
    return in_clinic(rng, days, kg * rng.uniform(0.98, 1.02) + 2 * wander(rng, days))


@course
def heavy_190_home(rng: Rng) -> Series:
    return _heavy_home(rng, 190.0)


@course
def heavy_268_home(rng: Rng) -> Series:
    return _heavy_home(rng, 268.0)


@course
def heavy_330_clinic(rng: Rng) -> Series:
    return _heavy_clinic(rng, 330.0)


@course
def heavy_520_home(rng: Rng) -> Series:
    return _heavy_home(rng, 520.0)


@course
def heavy_520_clinic(rng: Rng) -> Series:
    return _heavy_clinic(rng, 520.0)
