"""Courses of records: errors, switched labels, shared accounts, scales, rivals of one moment.

Each function draws one person's series with what is true of each reading.
"""

from dataclasses import replace

import numpy as np

from benchmarks.course_series import (
    HOME,
    KG_PER_LB,
    UNKNOWN,
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


@course
def sparse_ehr(rng: Rng) -> Series:
    """Twenty years of visits, one in thirty wrong."""
    days = np.floor(np.cumsum(rng.lognormal(np.log(70), 1.2, 75)))
    drift = np.interp(days, [0, 2500, 5000, 7300], np.cumsum(rng.normal(0, 6, 4)))
    level = adult_kg(rng) + drift + 2 * wander(rng, days)
    series = in_clinic(rng, days, level)
    for row in rng.choice(np.arange(1, 74), 3, replace=False):
        kind = str(rng.choice(["unit_lb_as_kg", "unit_kg_as_lb", "hundreds_off", "decimal_shift"]))
        series = series.changed(np.array([row]), _spoilt(series.kg[row], kind), kind)
    return series


def _spoilt(kg: float, kind: str) -> float:
    if kind == "hundreds_off":
        pounds = kg / KG_PER_LB
        return (pounds - 100 if pounds > 190 else pounds + 100) * KG_PER_LB
    factor = {"unit_lb_as_kg": 1 / KG_PER_LB, "unit_kg_as_lb": KG_PER_LB, "decimal_shift": 10}
    return kg * factor[kind]


@course
def absurd_lone_values(rng: Rng) -> Series:
    """A few visits, months apart; one value that no neighbour bears out."""
    days = np.floor(np.cumsum(rng.uniform(120, 420, int(rng.integers(3, 7)))))
    series = in_clinic(rng, days, adult_kg(rng) + wander(rng, days))
    row = np.array([rng.integers(1, len(days) - 1)])
    times = rng.choice([rng.uniform(0.5, 0.68), rng.uniform(1.36, 1.7)])
    return series.changed(row, np.round(series.kg[row] * times, 1), "outlier")


@course
def absurd_110_as_reported(rng: Rng) -> Series:
    series = literal([0, 365, 730], [80, 80, 80])
    return series.changed(np.array([1]), 110.0, "outlier")


@course
def absurd_37_as_reported(rng: Rng) -> Series:
    series = literal([0, 365, 730], [69, 73, 78])
    return series.changed(np.array([1]), 37.0, "outlier")


def _switched(rng: Rng, before: int, after: int, first: str, later: str) -> Series:
    """Daily at home; from one day on numbers are in another unit than the label says."""
    days = np.arange(float(before + after))
    series = weighed(
        rng, mornings(rng, days), rng.uniform(78, 95) + wander(rng, days), source=UNKNOWN
    )
    factor = {"ok": 1.0, "unit_lb_as_kg": 1 / KG_PER_LB, "unit_kg_as_lb": KG_PER_LB}
    for rows, kind in ((slice(0, before), first), (slice(before, None), later)):
        series = series.changed(rows, np.round(series.kg[rows] * factor[kind], 1), kind)
    return series


@course
def label_switch_early(rng: Rng) -> Series:
    return _switched(rng, 5, 30, "ok", "unit_lb_as_kg")


@course
def label_switch_late(rng: Rng) -> Series:
    return _switched(rng, 100, 12, "ok", "unit_lb_as_kg")


@course
def label_switch_majority(rng: Rng) -> Series:
    return _switched(rng, 50, 120, "ok", "unit_kg_as_lb")


@course
def first_rows_mislabelled(rng: Rng) -> Series:
    return _switched(rng, 4, 60, "unit_lb_as_kg", "ok")


def _two_people(rng: Rng, kg: tuple[float, float], share: float) -> Series:
    """Two persons on one account, each at their own hour; `share` is the first one's."""
    days = np.arange(120.0)
    levels = [level + wander(rng, days) for level in kg]
    first, second = (
        weighed(rng, mornings(rng, days) + late, level)
        for level, late in zip(levels, (0.0, 0.03), strict=True)
    )
    first = replace(first, other=levels[1]).taken(rng.random(120) < share)
    second = replace(second, other=levels[0]).taken(rng.random(120) < 1 - share)
    if share == 0.5:
        first = first.changed(slice(None), first.kg, "either")
    label = "either" if share == 0.5 else "other_person"
    return joined(first, second.changed(slice(None), second.kg, label))


@course
def two_people_84_62(rng: Rng) -> Series:
    return _two_people(rng, (84.0, 62.0) if rng.random() < 0.5 else (62.0, 84.0), 0.75)


@course
def two_people_78_72(rng: Rng) -> Series:
    return _two_people(rng, (78.0, 72.0), 0.5)


# --- scales and moments


@course
def new_scale_2(rng: Rng) -> Series:
    """A new scale shows 2 kg more; nobody can tell it from the body, so both levels are right."""
    days = np.flatnonzero(rng.random(150) < 0.9).astype(float)
    level = adult_kg(rng) + wander(rng, days)
    series = weighed(rng, mornings(rng, days), level + 2.0 * (days > 75))
    return replace(series, other=level)


@course
def rounded_to_5_lb(rng: Rng) -> Series:
    days = np.flatnonzero(rng.random(150) < 0.6).astype(float)
    level = adult_kg(rng) + 1.5 * wander(rng, days)
    return weighed(rng, mornings(rng, days), level, step_kg=5 * KG_PER_LB, dates=True)


@course
def ten_a_minute(rng: Rng) -> Series:
    """On and off the scale ten times a minute, each morning; a copy may be kept or not."""
    days = np.arange(40.0)
    once = weighed(rng, mornings(rng, days), adult_kg(rng) + wander(rng, days))
    rows = np.repeat(np.arange(40), 10)
    many = once.taken(rows)
    seconds = np.tile(np.arange(10), 40) * 6 / 86400
    kg = np.round(many.kg + rng.choice([-0.1, 0, 0, 0.1], len(rows)), 1)
    return replace(many, day=many.day + seconds, kg=kg, label=np.full(len(rows), "either", object))


@course
def unsettled_scale(rng: Rng) -> Series:
    """Now and then the scale sends a number before the person stands still."""
    days = np.arange(60.0)
    once = weighed(rng, mornings(rng, days), adult_kg(rng) + wander(rng, days))
    early = once.taken(np.sort(rng.choice(np.arange(5, 60), 6, replace=False)))
    kg = np.round(early.kg * rng.uniform(0.45, 0.85, 6), 1)
    early = replace(early, day=early.day - rng.uniform(5, 20, 6) / 86400)
    return joined(once, early.changed(slice(None), kg, "outlier"))


@course
def one_reading(rng: Rng) -> Series:
    return literal([0], [round(float(rng.choice([3.4, 11, 24, 48, 70, 95, 140, 190, 260])), 1)])


def _rivals(kg: tuple[float, float], minutes: float) -> Series:
    return literal([0, minutes / 1440], kg).changed(slice(None), np.array(kg), "either")


@course
def rivals_78_72_alone(rng: Rng) -> Series:
    series = _rivals((78.0, 72.0), 10.0)
    return replace(series, hour=series.day % 1 * 24)


@course
def rivals_70_95_one_day(rng: Rng) -> Series:
    return _rivals((70.0, 95.0), 0.0)


@course
def rivals_with_history(rng: Rng) -> Series:
    """78 and 72 ten minutes apart, after twenty mornings of 78: who else would it be?"""
    days = np.arange(30.0)
    own = weighed(rng, mornings(rng, days), 78 + 0.3 * wander(rng, days), HOME)
    rival = own.taken(np.array([20]))
    rival = replace(rival, day=rival.day + 10 / 1440, hour=rival.hour + 1 / 6)
    return joined(own, rival.changed(slice(None), 72.0, "other_person"))


@course
def pounds_then_kg(rng: Rng) -> Series:
    """185 is what 84 kg is in pounds."""
    return literal([0, 1], [185.0, 84.0]).changed(np.array([0]), 185.0, "unit_lb_as_kg")
