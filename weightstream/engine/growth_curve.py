"""What a child of some weight gains, where the series itself tells a child. Compiled.

Medians by age of weightstream.growth, both sexes together. Above GROWN_KG nothing is assumed.
"""

import math

from weightstream.batch import Floats
from weightstream.engine.compiled import jit
from weightstream.growth import AGE_DAYS, LOG_MEDIAN

MEDIANS = LOG_MEDIAN[None]
GROWN_KG = 30.0


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
def grown(level: float, days: float) -> float:
    """kg that a body of this weight gains over days (before it: loses, looking back)."""
    if not 0.0 < level < GROWN_KG or days == 0.0:
        return 0.0
    log = math.log(level)
    small = min(log - MEDIANS[0], 0.0)
    age = between(log - small, MEDIANS, AGE_DAYS)
    return math.exp(small + between(age + days, AGE_DAYS, MEDIANS)) - level
