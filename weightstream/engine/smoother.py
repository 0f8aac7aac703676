"""The compiled retro engine: a robust leave-one-out smoother over each person's whole series.

Every pass is a Kalman filter forwards and a disturbance smoother backwards (Durbin and Koopman,
Time Series Analysis by State Space Methods, ch. 4 and 7), which gives for each reading what all
others say of it. Readings are weighed by the mixture and the pass repeated. The result is a
function of the sorted series alone. Formulas: docs/judging.md, eq. 7-9.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from weightstream.batch import Floats, Ints
from weightstream.engine.calendar import other_dates
from weightstream.engine.compiled import OPTIONS, jit
from weightstream.engine.kernel import (
    LEVEL,
    LEVEL_SD,
    MEAN,
    SD,
    SHIFT_FROM,
    SHIFT_TO,
    SUGGESTED,
    TREND,
    Bools,
    Codes,
    P,
    interval_sd,
    log_normal,
    valid_density,
)
from weightstream.engine.mixture import (
    COPY_DAYS,
    COPY_KG,
    COPY_RATE,
    HUNDREDS_OFF,
    LATTICE_KG,
    OK,
    OTHER_PERSON,
    OUTLIER,
    REASON_COUNT,
    REPEAT,
    WRONG_DATE,
    explain,
    likeliest,
    normal,
)
from weightstream.engine.model import (
    ACCEPT,
    BIAS,
    BURST,
    HIGHEST,
    LEVEL_NOISE,
    LOWEST,
    NOISE_VAR,
    RATE,
    SHIFT_LEAST,
    SHIFT_MOST,
    SHIFT_PER_DAY,
    SHIFT_VAR,
    SOURCE_KEY,
    START_MEAN,
    START_VAR,
    TAIL_VAR,
    TREND_VAR,
    WATER_VAR,
)
from weightstream.engine.track import (
    DAY,
    LL,
    LV,
    LW,
    TRACK_SIZE,
    VV,
    VW,
    WW,
    L,
    V,
    W,
    conditions,
    predict,
    transition,
    update,
)

# Columns of the work table of one person's readings: what does not change between passes, ...
FACTOR, OFFSET, NOISE, JUMP = range(4)
# ... the forward pass's prediction (mean and covariance as in a track), residual and variance, ...
AHEAD, RESIDUAL, VARIANCE = 4, 13, 14
# ... what all others say of the reading, its weight as a noise variance, and densities.
LOO, LOO_VAR, WEIGHED, VALID, WRONG, CERTAIN = range(15, 21)
WORK_SIZE = 21

PASSES = 6
PASSES_BEFORE_STEPS = 2
STILL = 1e-3  # change of p_valid below which another pass is not worth it
MISSING = -1.0  # as a noise variance: the reading does not count
CLUSTER_SHARE = 0.7  # of other people's readings: from one who comes again
CLUSTER_KG = 3.0
NEIGHBOURS = 30  # readings looked at on each side for one who comes again


class Series(NamedTuple):
    """One batch's readings, parameters, results and scratch, as the helpers take them."""

    day: Floats
    hour: Floats
    weight: Floats
    source: Ints
    p: Floats
    table: Floats
    out: Floats
    accepted: Bools
    reason: Codes
    work: Floats
    x: Floats
    tally: Floats
    density: Floats
    undone: Floats


@jit
def forwards(k: Series, first: int, last: int) -> None:
    """Kalman filter over rows first:last; rows that do not count are passed over."""
    x, p = k.x, k.p
    x[:] = 0.0
    x[DAY] = k.day[first]
    x[L], x[LL] = p[START_MEAN], p[START_VAR]
    x[VV], x[WW] = p[TREND_VAR], p[WATER_VAR]
    for i in range(first, last):
        w = k.work[i - first]
        predict(x, k.day[i], p)
        if w[JUMP] == 1.0:
            x[LL] += p[SHIFT_VAR]
        w[AHEAD : AHEAD + 9] = x[L : WW + 1]
        if w[WEIGHED] == MISSING:
            continue
        f = w[FACTOR]
        w[RESIDUAL] = k.weight[i] - w[OFFSET] - f * x[L] - x[W]
        w[VARIANCE] = f * (f * x[LL] + 2.0 * x[LW]) + x[WW] + w[WEIGHED]
        update(x, w[RESIDUAL], w[VARIANCE], f)


@jit
def times(c: Floats, x0: float, x1: float, x2: float) -> tuple[float, float, float]:
    """Product of a symmetric matrix (LL, LV, LW, VV, VW, WW) and a vector."""
    return (
        c[0] * x0 + c[1] * x1 + c[2] * x2,
        c[1] * x0 + c[3] * x1 + c[4] * x2,
        c[2] * x0 + c[4] * x1 + c[5] * x2,
    )


@jit
def backwards(k: Series, first: int, last: int) -> None:
    """Disturbance smoother: what all others say of each reading, and the smoothed level."""
    r = k.x[:3]
    n = k.x[3:9]
    r[:] = 0.0
    n[:] = 0.0
    for i in range(last - 1, first - 1, -1):
        w = k.work[i - first]
        f = w[FACTOR]
        mean, c = w[AHEAD : AHEAD + 3], w[AHEAD + 3 : AHEAD + 9]
        m0, m1, m2 = times(c, f, 0.0, 1.0)
        if w[WEIGHED] == MISSING:
            smooth = m0 * r[0] + m1 * r[1] + m2 * r[2]
            n0, n1, n2 = times(n, m0, m1, m2)
            w[LOO] = w[OFFSET] + f * mean[0] + mean[2] + smooth
            w[LOO_VAR] = f * m0 + m2 - (m0 * n0 + m1 * n1 + m2 * n2)
        else:
            v = w[VARIANCE]
            n0, n1, n2 = times(n, m0, m1, m2)
            u = (w[RESIDUAL] - m0 * r[0] - m1 * r[1] - m2 * r[2]) / v
            d = 1.0 / v + (m0 * n0 + m1 * n1 + m2 * n2) / (v * v)
            w[LOO] = k.weight[i] - u / d
            w[LOO_VAR] = 1.0 / d - w[WEIGHED]
            r[0] += f * u
            r[2] += u
            n[0] += f * f * d - 2.0 * f * n0 / v
            n[1] -= f * n1 / v
            n[2] += f * d - (f * n2 + n0) / v
            n[4] -= n1 / v
            n[5] += d - 2.0 * n2 / v
        w[LOO_VAR] = max(w[LOO_VAR], 0.0)
        row = k.out[i]
        row[LEVEL] = mean[0] + c[0] * r[0] + c[1] * r[1] + c[2] * r[2]
        row[TREND] = mean[1] + c[1] * r[0] + c[3] * r[1] + c[4] * r[2]
        n0, n1, n2 = times(n, c[0], c[1], c[2])
        row[LEVEL_SD] = math.sqrt(max(c[0] - (c[0] * n0 + c[1] * n1 + c[2] * n2), 0.0))
        if i > first:
            pull_back(r, n, k.day[i] - k.day[i - 1], k.p)


@jit
def pull_back(r: Floats, n: Floats, gap: float, p: Floats) -> None:
    """r = F'r, N = F'NF over a gap."""
    if gap <= 0.0:
        return
    a, kept, wet, _, _, _, _ = transition(gap, p)
    r[1] = a * r[0] + kept * r[1]
    r[2] *= wet
    n[3] = a * a * n[0] + 2.0 * a * kept * n[1] + kept * kept * n[3]
    n[4] = wet * (a * n[2] + kept * n[4])
    n[1] = a * n[0] + kept * n[1]
    n[2] *= wet
    n[5] *= wet * wet


@jit
def weigh(k: Series, first: int, last: int) -> float:
    """Judge each reading by what all others say of it; returns the largest change of p_valid."""
    change = 0.0
    p = k.p
    for i in range(first, last):
        w, s, kg = k.work[i - first], k.table[k.source[i]], k.weight[i]
        variance = w[LOO_VAR] + w[NOISE]
        valid, usual = valid_density(kg - w[LOO], variance, p)
        valid *= s[RATE + OK]
        if kg < p[LOWEST] or kg > p[HIGHEST]:
            valid = 0.0
        wrong = explain(kg, w[LOO], variance, s, p, k.density, k.undone)
        if copies(k, i, first):
            k.density[REPEAT] = COPY_RATE / LATTICE_KG
            wrong += k.density[REPEAT]
        w[VALID], w[WRONG] = valid, wrong
        probability = valid / (valid + wrong)
        change = max(change, abs(probability - k.out[i, P]))
        k.out[i, P] = probability
        w[WEIGHED] = MISSING
        if probability >= p[ACCEPT]:
            precision = usual / w[NOISE] + (1.0 - usual) / (w[NOISE] + p[TAIL_VAR])
            w[WEIGHED] = 1.0 / (probability * precision)
        k.reason[i] = likeliest(k.density)
        k.out[i, SUGGESTED] = k.undone[k.reason[i]]
    return change


@jit
def copies(k: Series, i: int, first: int) -> bool:
    """Whether reading i is the one before, come through another app."""
    return (
        i > first
        and k.source[i] != k.source[i - 1]
        and k.day[i] - k.day[i - 1] <= COPY_DAYS
        and abs(k.weight[i] - k.weight[i - 1]) <= COPY_KG
    )


@jit
def step_rate(gap: float, p: Floats) -> float:
    return math.log(min(max(gap * p[SHIFT_PER_DAY], p[SHIFT_LEAST]), p[SHIFT_MOST]))


@jit
def is_burst(k: Series, first: int, begin: int, end: int, last: int) -> bool:
    """Whether rows begin:end, taken for a level of their own, are rather errors in a row.

    The case for a level: a step there and, unless at an end of the series, one back. The case for
    errors: the first as rare as ever, the next of the same kind, and the level around unbroken.
    """
    p, out = k.p, k.out
    before, after = begin > first, end < last
    level, level_var = 0.0, 0.0
    odds = 0.0  # of errors against a level
    if before:
        step = out[begin, LEVEL] - out[begin - 1, LEVEL]
        odds -= step_rate(k.day[begin] - k.day[begin - 1], p)
        odds -= log_normal(step, p[SHIFT_VAR])
        level, level_var = out[begin - 1, LEVEL], out[begin - 1, LEVEL_SD] ** 2
    if after:
        step = out[end, LEVEL] - out[end - 1, LEVEL]
        odds -= step_rate(k.day[end] - k.day[end - 1], p)
        odds -= log_normal(step, p[SHIFT_VAR])
        if before:
            gap = k.day[end] - k.day[begin - 1]
            v = level_var + out[end, LEVEL_SD] ** 2 + gap * (p[LEVEL_NOISE] + p[TREND_VAR] * gap)
            odds += log_normal(out[end, LEVEL] - level, v)
        else:
            level, level_var = out[end, LEVEL], out[end, LEVEL_SD] ** 2
    edge = k.day[begin - 1] if before else k.day[end]
    kind = 0
    for i in range(begin, end):
        w, s = k.work[i - first], k.table[k.source[i]]
        gap = abs(k.day[i] - edge)
        mean, v = level, level_var + gap * (p[LEVEL_NOISE] + p[TREND_VAR] * gap)
        if before and after:
            part = gap / max(k.day[end] - edge, 1e-9)
            mean = (1.0 - part) * level + part * out[end, LEVEL]
        mean = w[FACTOR] * mean + w[OFFSET]
        wrong = explain(
            k.weight[i], mean, v + w[NOISE] + p[WATER_VAR], s, p, k.density, k.undone
        )
        if kind == 0:
            kind = likeliest(k.density)
            if kind > HUNDREDS_OFF and not (before and after):
                return False  # nothing but a way back tells another person from a new level
        elif kind <= HUNDREDS_OFF and s[RATE + kind] > 0.0:
            wrong += p[BURST] * k.density[kind] / s[RATE + kind]
        elif kind > HUNDREDS_OFF:
            wrong += p[BURST] * w[VALID]
        odds += math.log(wrong)
        if i > begin:
            odds -= math.log(w[VALID] + w[WRONG])
    return odds > 0.0


@jit
def test_levels(k: Series, first: int, last: int) -> bool:
    """Take back levels that are rather bursts of errors; says whether any was."""
    changed = False
    begin = first
    for i in range(first + 1, last + 1):
        if i < last and k.work[i - first, JUMP] == 0.0:
            continue
        bounded = begin > first or i < last
        if bounded and is_burst(k, first, begin, i, last):
            changed = True
            for row in range(begin, i):
                k.work[row - first, WEIGHED] = MISSING
            k.work[begin - first, JUMP] = 0.0
            if i < last:
                k.work[i - first, JUMP] = 0.0
        begin = i
    return changed


@jit
def on_other_day(k: Series, i: int, first: int, last: int) -> float:
    """Density of reading i as the right value of a day that is easily written for its own."""
    total = 0.0
    count = 0
    w, s = k.work[i - first], k.table[k.source[i]]
    for day in other_dates(k.day[i]):
        if math.isnan(day) or day < k.day[first] or day > k.day[last - 1]:
            continue
        count += 1
        after = first + np.searchsorted(k.day[first:last], day)
        before = max(after - 1, first)
        row = after if k.day[after] - day < day - k.day[before] else before
        gap = abs(k.day[row] - day)
        v = k.out[row, LEVEL_SD] ** 2 + gap * (k.p[LEVEL_NOISE] + k.p[TREND_VAR] * gap)
        mean = w[FACTOR] * k.out[row, LEVEL] + w[OFFSET]
        total += normal(k.weight[i] - mean, v + w[NOISE] + k.p[WATER_VAR])
    return s[RATE + WRONG_DATE] * total / count if count > 0 else 0.0


@jit
def comes_again(k: Series, i: int, first: int, last: int) -> float:
    """Density of reading i as one who was on this scale at other times too; -1 without any."""
    total, count = 0.0, 0
    for way in (-1, 1):
        n, seen = i + way, 0
        while first <= n < last and seen < NEIGHBOURS:
            if not k.accepted[n] and k.source[n] == k.source[i]:
                seen += 1
                if k.reason[n] == OTHER_PERSON or k.reason[n] == OUTLIER:
                    count += 1
                    total += normal(k.weight[i] - k.weight[n], CLUSTER_KG**2)
            n += way
    return total / count if count > 0 else -1.0


@jit
def name(k: Series, i: int, first: int, last: int) -> None:
    """Reason and suggestion of a rejected reading, with what only the whole series can say."""
    w, s = k.work[i - first], k.table[k.source[i]]
    explain(k.weight[i], w[LOO], w[LOO_VAR] + w[NOISE], s, k.p, k.density, k.undone)
    if copies(k, i, first):
        k.density[REPEAT] = COPY_RATE / LATTICE_KG
    again = comes_again(k, i, first, last)
    if again >= 0.0:
        rate = s[RATE + OTHER_PERSON]
        k.density[OTHER_PERSON] *= 1.0 - CLUSTER_SHARE
        k.density[OTHER_PERSON] += CLUSTER_SHARE * rate * again
    k.density[WRONG_DATE] = on_other_day(k, i, first, last)
    total = k.density.sum()
    for reason in range(1, REASON_COUNT):
        k.tally[k.source[i], reason] += k.density[reason] / total
    k.reason[i] = likeliest(k.density)
    k.out[i, SUGGESTED] = k.undone[k.reason[i]]


@jit
def conclude(k: Series, first: int, last: int) -> None:
    counted = 0
    for i in range(first, last):
        w, row = k.work[i - first], k.out[i]
        k.accepted[i] = w[WEIGHED] != MISSING
        counted += k.accepted[i]
        row[MEAN], row[SD] = w[LOO], interval_sd(w[LOO_VAR] + w[NOISE], k.p)
        row[SHIFT_FROM] = row[SHIFT_TO] = np.nan
        if w[JUMP] == 1.0:
            row[SHIFT_FROM], row[SHIFT_TO] = k.out[i - 1, LEVEL], row[LEVEL]
    for i in range(first, last):
        row = k.out[i]
        if counted == 0 or (counted == 1 and k.accepted[i]):
            row[MEAN] = row[SD] = np.nan
        if counted == 0:
            row[LEVEL] = row[LEVEL_SD] = row[TREND] = np.nan
        if k.accepted[i]:
            k.reason[i] = OK
            row[SUGGESTED] = np.nan
    for i in range(first, last):
        if not k.accepted[i]:
            name(k, i, first, last)


@jit
def smooth(k: Series, first: int, last: int) -> None:
    """All passes over one person's rows first:last; out, accepted hold the causal results."""
    for i in range(first, last):
        w, s = k.work[i - first], k.table[k.source[i]]
        factor, offset, extra = conditions(k.day[i], k.hour[i], k.p)
        w[FACTOR], w[OFFSET], w[NOISE] = factor, offset + s[BIAS], s[NOISE_VAR] + extra
        w[JUMP] = 0.0 if math.isnan(k.out[i, SHIFT_TO]) else 1.0
        w[WEIGHED] = w[NOISE] if k.accepted[i] else MISSING
    for turn in range(PASSES):
        forwards(k, first, last)
        backwards(k, first, last)
        change = weigh(k, first, last)
        if turn == PASSES_BEFORE_STEPS and test_levels(k, first, last):
            change = 1.0
        if turn > PASSES_BEFORE_STEPS and change < STILL:
            break
    forwards(k, first, last)
    backwards(k, first, last)
    conclude(k, first, last)


@njit(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], int64[::1], float64[::1],"
    " float64[:, ::1], float64[:, ::1], boolean[::1], int8[::1], float64[:, ::1])",
    **OPTIONS,
)
def smooth_kernel(
    indptr: Ints, day: Floats, hour: Floats, weight: Floats, source: Ints, process: Floats,
    table: Floats, out: Floats, accepted: Bools, reason: Codes, tally: Floats,
) -> None:  # fmt: skip
    """All persons of a batch; out, accepted and reason hold the causal results and are revised.

    tally: (S, REASON_COUNT), to which the expected number of errors by source and reason is added.
    """
    longest = 0
    for u in range(len(indptr) - 1):
        longest = max(longest, indptr[u + 1] - indptr[u])
    work = np.zeros((longest, WORK_SIZE))
    x = np.zeros(TRACK_SIZE)
    scratch = np.zeros((2, REASON_COUNT))
    k = Series(
        day, hour, weight, source, process, table, out, accepted, reason, work, x,
        tally, scratch[0], scratch[1],
    )  # fmt: skip
    for u in range(len(indptr) - 1):
        if indptr[u + 1] > indptr[u]:
            smooth(k, indptr[u], indptr[u + 1])
