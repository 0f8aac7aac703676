"""What a child of some weight gains: median weights by age, both sexes together. Compiled.

WHO Child Growth Standards (2006), weight-for-age, 0-60 months; CDC growth charts (2000), 5-9 years.
The series itself tells a child: above GROWN_KG nothing is assumed.
"""

import math

import numpy as np

from weightstream.engine.compiled import jit

MEDIAN_DAYS = np.array(
    [
        0.0,
        30.4,
        61,
        91,
        122,
        183,
        274,
        365,
        548,
        730,
        1096,
        1461,
        1826,
        2191,
        2557,
        2922,
        3287,
        3652,
    ]
)
MEDIAN_KG = np.array(
    [
        3.3,
        4.3,
        5.3,
        6.1,
        6.7,
        7.6,
        8.5,
        9.3,
        10.5,
        11.8,
        14.1,
        16.2,
        18.2,
        20.5,
        22.9,
        25.6,
        28.6,
        32.0,
    ]
)
GROWN_KG = 30.0


@jit
def between(at: float, xs: np.ndarray, ys: np.ndarray) -> float:
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
    if level >= GROWN_KG or days == 0.0 or math.isnan(level):
        return 0.0
    ratio = 1.0
    if level < MEDIAN_KG[0]:
        ratio = max(level, 0.5) / MEDIAN_KG[0]
    age = between(level / ratio, MEDIAN_KG, MEDIAN_DAYS)
    return ratio * between(age + days, MEDIAN_DAYS, MEDIAN_KG) - level
