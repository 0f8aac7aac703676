"""What a child weighs and gains: by its age if that is known, else by the series. Compiled.

Medians by age of weightstream.growth.
"""

import math
from typing import Any

import numpy as np

from weightstream.batch import Floats
from weightstream.engine.compiled import jit
from weightstream.growth import AGE_DAYS, LOG_MEDIAN, SPREAD

MEDIANS = np.stack([LOG_MEDIAN[None], LOG_MEDIAN["male"], LOG_MEDIAN["female"]])
"""Logarithms by UserBatch.sex."""
GROWN_KG = 30.0
"""Above it nobody is assumed to grow whose age is not known."""
GROWN_DAYS = float(AGE_DAYS[-1])
NO_CHILD = 2.5
"""Times the median of an age, above which a body is none of that age: the birth date is wrong."""


@jit
def between(at: float, xs: Floats, ys: Floats) -> float:
    """Linear interpolation, flat outside."""
    if at <= xs[0]:
        return ys[0]
    for k in range(1, len(xs)):
        if at <= xs[k]:
            return ys[k - 1] + (ys[k] - ys[k - 1]) * (at - xs[k - 1]) / (xs[k] - xs[k - 1])
    return ys[-1]


@jit
def log_median(age: float, p: Any) -> float:
    """Logarithm of the median in kg at an age in days, for the person's sex."""
    return between(age, AGE_DAYS, MEDIANS[int(p.sex)])


@jit
def grown(level: float, start: float, end: float, p: Any) -> float:
    """kg that a body of this weight gains between two days (loses, if the end comes first)."""
    if level <= 0.0 or start == end:
        return 0.0
    if not math.isnan(p.born):
        if min(start, end) - p.born >= GROWN_DAYS:
            return 0.0
        usual = log_median(start - p.born, p)
        if level > NO_CHILD * math.exp(usual):
            return 0.0
        return level * math.expm1(log_median(end - p.born, p) - usual)
    if level >= GROWN_KG:
        return 0.0
    medians = MEDIANS[int(p.sex)]
    log = math.log(level)
    small = min(log - medians[0], 0.0)
    age = between(log - small, medians, AGE_DAYS)
    return math.exp(small + between(age + end - start, AGE_DAYS, medians)) - level


@jit
def growth_variance(level: float, growth: float) -> float:
    """kg², of a child's own rise against the medians' (growth.SPREAD); level: before the rise."""
    if growth == 0.0:
        return 0.0
    return (SPREAD * (level + growth)) ** 2 * abs(math.log1p(growth / level))
