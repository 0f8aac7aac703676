"""One hypothesis of a person's course, as a Kalman filter in continuous time. Compiled.

A track is a row of TRACK_SIZE floats: time, mean and covariance of (level, trend, water), then
what confirmation needs. Formulas: docs/judging.md.
"""

import math

from weightstream.batch import Floats
from weightstream.engine.compiled import jit
from weightstream.engine.model import (
    EVENING,
    EVENING_VAR,
    LEVEL_NOISE,
    SHIFT_DAYS,
    SHIFT_READINGS,
    TREND_DAYS,
    TREND_VAR,
    WATER_DAYS,
    WATER_VAR,
    WEEKDAY_SHARE,
)

(DAY, L, V, W, LL, LV, LW, VV, VW, WW) = range(10)
# Readings in it, since when, from which source, from several or not.
COUNT, SINCE, SOURCE, SOURCES = range(10, 14)
TRACK_KEPT = 14  # the positions above are what a stored state keeps
# Of a candidate: log odds that it is a step, and that it is right and main's start wrong; readings
# in a row that did not fit; its first row. In main, ODDS is the log likelihood of its readings.
ODDS, START_ODDS, MISSED, ROW = range(14, 18)
TRACK_SIZE = 18

SERIES_BELOW = 0.01  # of gap / trend_days: there the closed form of the trend's integral cancels
UNKNOWN_HOUR = 0.3  # share of the evening's rise at a reading of which only the date is known


@jit
def transition(gap: float, p: Floats) -> tuple[float, float, float, float, float, float, float]:
    """F and Q over `gap` days (eq. 1): a, kept, wet of F; then LL, LV, VV, WW of Q."""
    tau = p[TREND_DAYS]
    r = gap / tau
    gone = -math.expm1(-r)
    kept = 1.0 - gone
    if r < SERIES_BELOW:
        q = r * r * r * (2.0 / 3.0 - r * (0.5 - r * (7.0 / 30.0 - r / 12.0)))
    else:
        q = 2.0 * r - gone * (2.0 + gone)
    dry = -math.expm1(-gap / p[WATER_DAYS])
    wet = 1.0 - dry
    trend_var = p[TREND_VAR]
    return (
        tau * gone,
        kept,
        wet,
        p[LEVEL_NOISE] * gap + trend_var * tau * tau * q,
        trend_var * tau * gone * gone,
        trend_var * gone * (1.0 + kept),
        p[WATER_VAR] * dry * (1.0 + wet),
    )


@jit
def predict(x: Floats, day: float, p: Floats) -> None:
    """Move a track to `day`: level walks, trend and water revert to 0."""
    gap = day - x[DAY]
    x[DAY] = day
    if gap <= 0.0:
        return
    a, kept, wet, q_ll, q_lv, q_vv, q_ww = transition(gap, p)
    x[L] += a * x[V]
    x[V] *= kept
    x[W] *= wet
    x[LL] += a * (2.0 * x[LV] + a * x[VV]) + q_ll
    x[LV] = kept * (x[LV] + a * x[VV]) + q_lv
    x[VV] = kept * kept * x[VV] + q_vv
    x[LW] = wet * (x[LW] + a * x[VW])
    x[VW] *= kept * wet
    x[WW] = wet * wet * x[WW] + q_ww


@jit
def conditions(day: float, hour: float, p: Floats) -> tuple[float, float, float]:
    """What time does to a valid reading: factor on the level, offset, added variance (eq. 2)."""
    factor = 1.0 + p[WEEKDAY_SHARE] * math.cos((day - 4.0) * (2.0 * math.pi / 7.0))
    if math.isnan(hour):
        share = UNKNOWN_HOUR
        return factor, share * p[EVENING], share * share * (p[EVENING] ** 2 + p[EVENING_VAR])
    if hour < 7.0:
        share = (7.0 - hour) / 9.0
    elif hour < 22.0:
        share = (hour - 7.0) / 15.0
    else:
        share = (31.0 - hour) / 9.0
    return factor, share * p[EVENING], share * share * p[EVENING_VAR]


@jit
def begin(x: Floats, day: float, y: float, factor: float, noise: float, p: Floats) -> None:
    """Start a track from its first reading: the limit of a flat prior on the level."""
    x[DAY] = day
    x[L] = y / factor
    x[V] = 0.0
    x[W] = 0.0
    x[LL] = (noise + p[WATER_VAR]) / (factor * factor)
    x[LV] = 0.0
    x[LW] = -p[WATER_VAR] / factor
    x[VV] = p[TREND_VAR]
    x[VW] = 0.0
    x[WW] = p[WATER_VAR]
    x[COUNT] = 0.0
    x[MISSED] = 0.0


@jit
def spread(x: Floats, factor: float) -> float:
    """Variance of the track's prediction of a reading, without the reading's own noise."""
    return factor * (factor * x[LL] + 2.0 * x[LW]) + x[WW]


@jit
def update(x: Floats, residual: float, variance: float, factor: float) -> None:
    """Kalman update with a scalar reading; variance: of the prediction and the noise together."""
    pl = factor * x[LL] + x[LW]
    pv = factor * x[LV] + x[VW]
    pw = factor * x[LW] + x[WW]
    k = residual / variance
    x[L] += pl * k
    x[V] += pv * k
    x[W] += pw * k
    x[LL] -= pl * pl / variance
    x[LV] -= pl * pv / variance
    x[LW] -= pl * pw / variance
    x[VV] -= pv * pv / variance
    x[VW] -= pv * pw / variance
    x[WW] -= pw * pw / variance


@jit
def join(x: Floats, day: float, source: float) -> None:
    """Count an accepted reading towards the track's confirmation."""
    if x[COUNT] == 0.0:
        x[SINCE] = day
        x[SOURCE] = source
        x[SOURCES] = 0.0
    elif x[SOURCE] != source:
        x[SOURCES] = 1.0
    x[COUNT] += 1.0


@jit
def confirmed(x: Floats, day: float, p: Floats) -> bool:
    long_enough = x[SOURCES] == 1.0 or day - x[SINCE] >= p[SHIFT_DAYS]
    return x[COUNT] >= p[SHIFT_READINGS] and long_enough
