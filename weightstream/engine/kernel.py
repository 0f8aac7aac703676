"""The compiled causal filter: one pass over each person's readings, in order of time.

Two tracks run beside each other: the person's course as believed (main), and a candidate that
rejected readings may form. A track is a Kalman filter with the state level, trend, water; its
mean and covariance lie flat in a row of TRACK_SIZE floats. Formulas: docs/judging.md.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from weightstream.batch import Floats, Ints
from weightstream.engine.model import (
    ACCEPT,
    BIAS,
    EVENING,
    EVENING_VAR,
    HIGHEST,
    LEVEL_NOISE,
    LOG_ERROR,
    LOG_SHIFT,
    LOG_VALID,
    LOWEST,
    NOISE_VAR,
    SHIFT_DAYS,
    SHIFT_READINGS,
    SHIFT_VAR,
    START_MEAN,
    START_VAR,
    TREND_DAYS,
    TREND_VAR,
    WATER_DAYS,
    WATER_VAR,
    WEEKDAY_SHARE,
)
from weightstream.schema import REASONS

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]

# Positions in a track: time, mean and covariance of (level, trend, water), then what
# confirmation needs: readings in it, since when, from which source, several sources or not;
# and for a candidate its log odds, consecutive readings that did not fit, and its first row.
(DAY, L, V, W, LL, LV, LW, VV, VW, WW, COUNT, SINCE, SOURCE, SOURCES, ODDS, MISSED, ROW) = range(17)
TRACK_SIZE = 17

# Columns of the output: main's view of a reading, the candidate's view, and level shifts.
P, MEAN, SD, LEVEL, LEVEL_SD, TREND = range(6)
C = 6  # the candidate's six follow at this offset
MEMBER, SHIFT_FROM, SHIFT_TO = 12, 13, 14
OUT_SIZE = 15

OK = REASONS.index("ok")
IMPLAUSIBLE = REASONS.index("implausible")
OUTLIER = REASONS.index("outlier")

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
SERIES_BELOW = 0.01  # of gap / trend_days: there the closed form of the trend's integral cancels
UNKNOWN_HOUR = 0.3  # share of the evening's rise at a reading of which only the date is known

jit = njit(nogil=True, cache=True)


@jit
def predict(x: Floats, day: float, p: Floats) -> None:
    """Move a track to `day`: level walks, trend reverts to 0, water reverts to 0 (eq. 1-2)."""
    gap = day - x[DAY]
    x[DAY] = day
    if gap <= 0.0:
        return
    tau = p[TREND_DAYS]
    r = gap / tau
    gone = -math.expm1(-r)
    kept = 1.0 - gone
    a = tau * gone
    if r < SERIES_BELOW:
        q = r * r * r * (2.0 / 3.0 - r * (0.5 - r * (7.0 / 30.0 - r / 12.0)))
    else:
        q = 2.0 * r - gone * (2.0 + gone)
    dry = -math.expm1(-gap / p[WATER_DAYS])
    wet = 1.0 - dry
    trend_var = p[TREND_VAR]
    x[L] += a * x[V]
    x[V] *= kept
    x[W] *= wet
    x[LL] += a * (2.0 * x[LV] + a * x[VV]) + p[LEVEL_NOISE] * gap + trend_var * tau * tau * q
    x[LV] = kept * (x[LV] + a * x[VV]) + trend_var * tau * gone * gone
    x[VV] = kept * kept * x[VV] + trend_var * gone * (1.0 + kept)
    x[LW] = wet * (x[LW] + a * x[VW])
    x[VW] *= kept * wet
    x[WW] = wet * wet * x[WW] + p[WATER_VAR] * dry * (1.0 + wet)


@jit
def conditions(day: float, hour: float, p: Floats) -> tuple[float, float, float]:
    """What time does to a valid reading: factor on the level, offset and added variance (eq. 3)."""
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
def begin(i: int, x: Floats, day: float, y: float, factor: float, noise: float, p: Floats) -> None:
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
    x[ROW] = i


@jit
def spread(x: Floats, factor: float, noise: float) -> float:
    """Variance of a reading about the track's prediction."""
    return factor * (factor * x[LL] + 2.0 * x[LW]) + x[WW] + noise


@jit
def update(x: Floats, residual: float, variance: float, factor: float) -> None:
    """Kalman update with a scalar reading."""
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
def log_normal(residual: float, variance: float) -> float:
    return -0.5 * (residual * residual / variance + math.log(variance)) - HALF_LOG_2PI


@jit
def log_sum(a: float, b: float) -> float:
    high = max(a, b)
    return high + math.log1p(math.exp(min(a, b) - high))


@jit
def odds_to_p(log_odds: float) -> float:
    if log_odds < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-log_odds))


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


@jit
def note(row: Floats, at: int, x: Floats) -> None:
    """Write a track's estimate of the slow weight beside a reading."""
    row[at + LEVEL] = x[L]
    row[at + LEVEL_SD] = math.sqrt(max(x[LL], 0.0))
    row[at + TREND] = x[V]


@jit
def pend(
    i: int,
    main_log_odds: float,
    residual: float,
    variance: float,
    y: float,
    factor: float,
    noise: float,
    day: float,
    source: float,
    s: Floats,
    p: Floats,
    other: Floats,
    row: Floats,
) -> None:
    """Offer a rejected reading to the candidate; it joins, is missed, or starts a new one."""
    log_mixture = log_sum(s[LOG_ERROR] + main_log_odds, s[LOG_ERROR])
    if other[COUNT] > 0.0:
        predict(other, day, p)
        mean = factor * other[L] + other[W]
        v = spread(other, factor, noise)
        log_valid = s[LOG_VALID] + log_normal(y - mean, v)
        other[ODDS] += log_sum(log_valid, s[LOG_ERROR]) - log_mixture
        if log_valid >= s[LOG_ERROR]:
            row[C + P] = odds_to_p(log_valid - s[LOG_ERROR])
            row[C + MEAN] = mean
            row[C + SD] = math.sqrt(v)
            update(other, y - mean, v, factor)
            join(other, day, source)
            other[MISSED] = 0.0
            note(row, C, other)
            row[MEMBER] = 1.0
            return
        note(row, C, other)
        other[MISSED] += 1.0
        if other[MISSED] < other[COUNT]:
            return
    begin(i, other, day, y, factor, noise, p)
    join(other, day, source)
    jump = log_normal(residual, variance + p[SHIFT_VAR])
    other[ODDS] = p[LOG_SHIFT] + s[LOG_VALID] + jump - log_mixture
    note(row, C, other)
    row[MEMBER] = 1.0


@jit
def adopt(i: int, main: Floats, other: Floats, out: Floats, accepted: Bools, reason: Codes) -> None:
    """The candidate becomes the person's course: its readings are accepted after all."""
    start = int(other[ROW])
    for k in range(start, i + 1):
        if out[k, MEMBER] == 1.0:
            accepted[k] = True
            reason[k] = OK
            out[k, P] = out[k, C + P]
            if k > start:
                out[k, MEAN] = out[k, C + MEAN]
                out[k, SD] = out[k, C + SD]
        if not math.isnan(out[k, C + LEVEL]):
            for column in range(LEVEL, TREND + 1):
                out[k, column] = out[k, C + column]
    out[start, P] = odds_to_p(other[ODDS])
    main[:] = other
    other[COUNT] = 0.0


@jit
def demote(
    first: int,
    day: Floats,
    weight: Floats,
    source: Ints,
    hour: Floats,
    p: Floats,
    table: Floats,
    other: Floats,
    out: Floats,
    accepted: Bools,
    reason: Codes,
) -> None:
    """The start was wrong: what was accepted before the candidate is rejected."""
    for k in range(first, int(other[ROW])):
        for column in range(MEAN, TREND + 1):
            out[k, column] = np.nan
        if accepted[k]:
            s = table[source[k]]
            factor, offset, extra = conditions(day[k], hour[k], p)
            gap = other[DAY] - day[k]
            noise = s[NOISE_VAR] + extra + gap * (p[LEVEL_NOISE] + p[TREND_VAR] * gap)
            residual = weight[k] - offset - s[BIAS] - factor * other[L] - other[W]
            log_valid = log_normal(residual, spread(other, factor, noise)) + s[LOG_VALID]
            out[k, P] = odds_to_p(log_valid - s[LOG_ERROR])
            accepted[k] = False
            reason[k] = OUTLIER


@jit
def judge(
    i: int,
    first: int,
    day: Floats,
    hour: Floats,
    weight: Floats,
    source: Ints,
    p: Floats,
    table: Floats,
    main: Floats,
    other: Floats,
    out: Floats,
    accepted: Bools,
    reason: Codes,
) -> None:
    """Predict reading i, decide on it, and move the tracks."""
    row = out[i]
    row[:] = np.nan
    s = table[source[i]]
    factor, offset, extra = conditions(day[i], hour[i], p)
    noise = s[NOISE_VAR] + extra
    offset += s[BIAS]
    y = weight[i] - offset
    if main[COUNT] == 0.0:
        mean = p[START_MEAN]
        variance = p[START_VAR] + noise
    else:
        predict(main, day[i], p)
        mean = factor * main[L] + main[W]
        variance = spread(main, factor, noise)
        row[MEAN] = mean + offset
        row[SD] = math.sqrt(variance)
        note(row, 0, main)
    plausible = p[LOWEST] <= weight[i] <= p[HIGHEST]
    log_odds = -np.inf
    if plausible:
        log_odds = s[LOG_VALID] + log_normal(y - mean, variance) - s[LOG_ERROR]
    row[P] = odds_to_p(log_odds)
    accepted[i] = row[P] >= p[ACCEPT]
    if accepted[i]:
        reason[i] = OK
        if main[COUNT] == 0.0:
            begin(i, main, day[i], y, factor, noise, p)
        else:
            update(main, y - mean, variance, factor)
        join(main, day[i], source[i])
        other[COUNT] = 0.0
        note(row, 0, main)
        return
    reason[i] = OUTLIER if plausible else IMPLAUSIBLE
    if not plausible or main[COUNT] == 0.0:
        return
    pend(i, log_odds, y - mean, variance, y, factor, noise, day[i], source[i], s, p, other, row)
    if row[MEMBER] == 1.0 and int(other[ROW]) < i:
        row[C + MEAN] += offset
    if not confirmed(main, day[i], p):
        if other[COUNT] > main[COUNT]:
            demote(first, day, weight, source, hour, p, table, other, out, accepted, reason)
            adopt(i, main, other, out, accepted, reason)
    elif other[ODDS] > 0.0 and confirmed(other, day[i], p):
        row_of_shift = int(other[ROW])
        out[row_of_shift, SHIFT_FROM] = main[L]
        out[row_of_shift, SHIFT_TO] = other[L]
        adopt(i, main, other, out, accepted, reason)


@njit(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], int64[::1], float64[::1],"
    " float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean[::1], int8[::1],"
    " float64[:, ::1], boolean[::1])",
    nogil=True,
    cache=True,
)
def filter_kernel(
    indptr: Ints,
    day: Floats,
    hour: Floats,
    weight: Floats,
    source: Ints,
    process: Floats,
    table: Floats,
    start: Floats,
    out: Floats,
    accepted: Bools,
    reason: Codes,
    state: Floats,
    settled: Bools,
) -> None:
    """All persons of a batch. start, state: (U, TRACK_SIZE); out: (N, OUT_SIZE)."""
    tracks = np.zeros((2, TRACK_SIZE))
    main = tracks[0]
    other = tracks[1]
    for u in range(len(indptr) - 1):
        main[:] = start[u]
        if math.isnan(main[DAY]):
            main[COUNT] = 0.0
        other[COUNT] = 0.0
        first = indptr[u]
        for i in range(first, indptr[u + 1]):
            judge(
                i, first, day, hour, weight, source, process, table, main, other,
                out, accepted, reason,
            )  # fmt: skip
        settled[u] = other[COUNT] == 0.0 and confirmed(main, main[DAY], process)
        state[u] = np.nan
        if settled[u]:  # nothing in the state may depend on this batch's numbering
            main[SOURCE] = -1.0
            main[SOURCES] = 1.0
            main[ODDS:] = 0.0
            state[u] = main
