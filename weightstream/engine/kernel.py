"""The compiled causal filter: one pass over each person's readings, in order of time.

Two tracks run beside each other: the person's course as believed (main), and a candidate that
rejected readings may form. Formulas: docs/judging.md.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from weightstream.batch import Codes, Floats, Ints
from weightstream.engine.compiled import jit, kernel
from weightstream.engine.densities import (
    believed_noise,
    interval_sd,
    log_normal,
    odds_to_p,
    step_log_density,
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
    OVERRIDE,
    REASON_COUNT,
    REPEAT,
    explain,
    likeliest,
)
from weightstream.engine.model import (
    ACCEPT,
    BIAS,
    BURST,
    GUEST,
    HIGHEST,
    LOWEST,
    NOISE_VAR,
    RATE,
    SHIFT_PER_DAY,
    SOURCE_KEY,
    START_MEAN,
    START_VAR,
)
from weightstream.engine.track import (
    COUNT,
    DAY,
    LL,
    MISSED,
    ODDS,
    ROW,
    SOURCE,
    SOURCES,
    START_ODDS,
    TRACK_KEPT,
    TRACK_SIZE,
    L,
    V,
    W,
    begin,
    conditions,
    confirmed,
    copy,
    fill,
    join,
    predict,
    spread,
    update,
)

Bools = npt.NDArray[np.bool_]

# What is remembered of a person besides the track: the reading before, the kind and source of
# the last error that comes in bursts, and when a reading was last accepted.
LAST_DAY, LAST_KG, LAST_SOURCE, LAST_REASON, FAULT, FAULT_SOURCE, ACCEPTED_DAY = range(7)
MEMORY_SIZE = 7
STATE_SIZE = TRACK_KEPT + MEMORY_SIZE

# Columns of the output: main's view of a reading, the candidate's view, and level shifts.
P, MEAN, SD, LEVEL, LEVEL_SD, TREND, SUGGESTED = range(7)
C = 7  # the candidate's first six follow at this offset
MEMBER, SHIFT_FROM, SHIFT_TO = 13, 14, 15
OUT_SIZE = 16

YOUNG, YOUNG_ROWS = 5.0, 50  # a start of more accepted readings, or rows, is not given up


class Work(NamedTuple):
    """What the helpers read and write: a batch's readings, parameters, results, and scratch."""

    day: Floats
    hour: Floats
    weight: Floats
    source: Ints
    forced: Codes
    p: Floats
    table: Floats
    out: Floats
    accepted: Bools
    reason: Codes
    memory: Floats
    density: Floats
    undone: Floats


@jit
def note(row: Floats, at: int, x: Floats) -> None:
    """Write a track's estimate of the slow weight beside a reading."""
    row[at + LEVEL] = x[L]
    row[at + LEVEL_SD] = math.sqrt(max(x[LL], 0.0))
    row[at + TREND] = x[V]


@jit
def recall(m: Floats, density: Floats, day: float, weight: float, s: Floats, p: Floats) -> float:
    """Raise the densities of errors that the readings before make likely; returns the rise.

    m: memory. It takes no Work, as every call in the loop that does costs some 80 ns.
    """
    rise = 0.0
    fault = int(m[FAULT])
    goes_on = m[FAULT_SOURCE] == s[SOURCE_KEY] or m[LAST_REASON] == fault
    if fault > 0 and goes_on and s[RATE + fault] > 0.0:
        rise = p[BURST] * density[fault] / s[RATE + fault]
        density[fault] += rise
    # At the first reading all of these are NaN: then it is no copy.
    same = abs(weight - m[LAST_KG]) <= COPY_KG
    if same and day - m[LAST_DAY] <= COPY_DAYS and m[LAST_SOURCE] != s[SOURCE_KEY]:
        density[REPEAT] = COPY_RATE / LATTICE_KG
        rise += density[REPEAT]
    return rise


@jit
def remember(m: Floats, day: float, weight: float, reason: int, s: Floats) -> None:
    m[LAST_DAY], m[LAST_KG], m[LAST_SOURCE] = day, weight, s[SOURCE_KEY]
    m[LAST_REASON] = float(reason)
    if OK < reason <= HUNDREDS_OFF:
        m[FAULT], m[FAULT_SOURCE] = float(reason), s[SOURCE_KEY]
    elif reason == OK:
        m[ACCEPTED_DAY] = day
        if m[FAULT_SOURCE] == s[SOURCE_KEY]:
            m[FAULT] = 0.0


@jit
def case_against_start(k: Work, first: int, i: int, main: Floats, other: Floats) -> float:
    """Log odds that what main accepted so far is wrong and reading i right, before the others."""
    odds = log_normal(other[L] - k.p[START_MEAN], k.p[START_VAR]) - main[ODDS]
    for row in range(first, i):
        if k.accepted[row]:
            if k.forced[row] > 0:
                return -math.inf
            s = k.table[k.source[row]]
            factor, offset, extra = conditions(k.day[row], k.hour[row], k.p)
            mean = factor * other[L] + offset + s[BIAS]
            gap = other[DAY] - k.day[row]
            variance = spread(other, factor) + s[NOISE_VAR] + extra + gap * k.p[SHIFT_PER_DAY]
            odds += math.log(explain(k.weight[row], mean, variance, s, k.p, k.density, k.undone))
    return odds


@jit
def pend(
    k: Work, i: int, first: int, mixture: float, residual: float, variance: float,
    factor: float, offset: float, noise: float, main: Floats, other: Floats,
) -> None:  # fmt: skip
    """Offer a rejected reading to the candidate; it joins, is missed, or starts a new one."""
    s, row, p = k.table[k.source[i]], k.out[i], k.p
    y = k.weight[i] - offset
    if other[COUNT] > 0.0:
        predict(other, k.day[i], p)
        mean = factor * other[L] + other[W]
        v = spread(other, factor) + noise
        valid, usual = valid_density(y - mean, v, 0.0, p)
        valid *= s[RATE + OK]
        wrong = explain(k.weight[i], mean + offset, v, s, p, k.density, k.undone)
        guest = k.reason[i] in (OTHER_PERSON, OUTLIER) and other[SOURCE] == s[SOURCE_KEY]
        again = p[GUEST] * valid if guest else 0.0
        believed = math.log(valid + wrong)
        other[ODDS] += believed - math.log(mixture + again)
        other[START_ODDS] += believed - math.log(mixture)
        if valid >= wrong:
            row[C + P] = valid / (valid + wrong)
            row[C + MEAN] = mean + offset
            row[C + SD] = interval_sd(v, p)
            v += believed_noise(noise, usual, p) - noise
            update(other, y - mean, v, factor)
            join(other, k.day[i], s[SOURCE_KEY])
            other[MISSED] = 0.0
            row[MEMBER] = 1.0
        else:
            other[MISSED] += 1.0
        note(row, C, other)
        if other[MISSED] < other[COUNT]:
            return
    begin(other, k.day[i], y, factor, noise, p)
    other[ROW] = i
    join(other, k.day[i], s[SOURCE_KEY])
    gap = k.day[i] - k.memory[ACCEPTED_DAY]
    step = step_log_density(residual, variance, gap, p)
    own = math.log(s[RATE + OK]) - math.log(mixture)
    other[ODDS] = step + own
    other[START_ODDS] = -np.inf
    young = main[COUNT] <= YOUNG and i - first < YOUNG_ROWS
    if young and not confirmed(main, k.day[i], p):
        other[START_ODDS] = case_against_start(k, first, i, main, other) + own
    note(row, C, other)
    row[MEMBER] = 1.0


@jit
def adopt(k: Work, i: int, odds: float, main: Floats, other: Floats) -> None:
    """The candidate becomes the person's course: its readings are accepted after all."""
    start = int(other[ROW])
    for n in range(start, i + 1):
        row = k.out[n]
        if row[MEMBER] == 1.0:
            k.accepted[n] = True
            k.reason[n] = OK
            row[SUGGESTED] = np.nan
            row[P] = row[C + P]
            if n > start:
                row[MEAN] = row[C + MEAN]
                row[SD] = row[C + SD]
        if not math.isnan(row[C + LEVEL]):
            for column in range(LEVEL, TREND + 1):
                row[column] = row[C + column]
    k.out[start, P] = odds_to_p(odds)
    copy(main, other, TRACK_SIZE)
    main[ODDS] = 0.0
    other[COUNT] = 0.0
    k.memory[ACCEPTED_DAY] = main[DAY]
    k.memory[FAULT] = 0.0


@jit
def demote(k: Work, first: int, other: Floats) -> None:
    """The start was wrong: what was accepted before the candidate is rejected."""
    for n in range(first, int(other[ROW])):
        row = k.out[n]
        for column in range(MEAN, TREND + 1):
            row[column] = np.nan
        s = k.table[k.source[n]]
        factor, offset, extra = conditions(k.day[n], k.hour[n], k.p)
        mean = factor * other[L] + offset + s[BIAS]
        variance = spread(other, factor) + s[NOISE_VAR] + extra
        explain(k.weight[n], mean, variance, s, k.p, k.density, k.undone)
        if k.accepted[n]:
            row[P] = odds_to_p(-other[START_ODDS])
            k.accepted[n] = False
        if k.reason[n] != REPEAT and k.forced[n] == 0:
            k.reason[n] = likeliest(k.density)
            row[SUGGESTED] = k.undone[k.reason[n]]


@jit
def judge(k: Work, i: int, first: int, main: Floats, other: Floats) -> None:
    """Predict reading i, decide on it, and move the tracks."""
    row, s, p, w = k.out[i], k.table[k.source[i]], k.p, k.weight[i]
    fill(row, np.nan)
    factor, offset, extra = conditions(k.day[i], k.hour[i], p)
    noise = s[NOISE_VAR] + extra
    offset += s[BIAS]
    mean = p[START_MEAN]
    variance = p[START_VAR] + noise
    if main[COUNT] > 0.0:
        predict(main, k.day[i], p)
        mean = factor * main[L] + main[W]
        variance = spread(main, factor) + noise
        row[MEAN] = mean + offset
        row[SD] = interval_sd(variance, p)
        note(row, 0, main)
    residual = w - offset - mean
    valid, usual = valid_density(residual, variance, k.day[i] - k.memory[ACCEPTED_DAY], p)
    valid *= s[RATE + OK]
    if w < p[LOWEST] or w > p[HIGHEST]:
        valid = 0.0
    wrong = explain(w, mean + offset, variance, s, p, k.density, k.undone)
    wrong += recall(k.memory, k.density, k.day[i], w, s, p)
    forced = k.forced[i]
    row[P] = valid / (valid + wrong) if forced == 0 else 0.5 + 0.5 * forced
    k.accepted[i] = row[P] >= p[ACCEPT]
    if k.accepted[i]:
        k.reason[i] = OK if forced == 0 else OVERRIDE
        if main[COUNT] == 0.0:
            begin(main, k.day[i], w - offset, factor, noise, p)
            main[ODDS] = 0.0
        else:
            update(main, residual, variance - noise + believed_noise(noise, usual, p), factor)
        if main[COUNT] <= YOUNG and forced == 0:
            main[ODDS] += math.log(valid)
        join(main, k.day[i], s[SOURCE_KEY])
        other[COUNT] = 0.0
        note(row, 0, main)
    elif forced == 0:
        k.reason[i] = likeliest(k.density)
        row[SUGGESTED] = k.undone[k.reason[i]]
    else:
        k.reason[i] = OVERRIDE
    remember(k.memory, k.day[i], w, OK if k.accepted[i] else k.reason[i], s)
    plausible = k.reason[i] != REPEAT and p[LOWEST] <= w <= p[HIGHEST]
    if k.accepted[i] or forced != 0 or main[COUNT] == 0.0 or not plausible:
        return
    pend(k, i, first, valid + wrong, residual, variance, factor, offset, noise, main, other)
    if other[COUNT] >= 2.0 and other[START_ODDS] > max(other[ODDS], 0.0):
        demote(k, first, other)
        adopt(k, i, other[START_ODDS], main, other)
    elif other[ODDS] > 0.0 and confirmed(other, k.day[i], p):
        k.out[int(other[ROW]), SHIFT_FROM] = main[L]
        k.out[int(other[ROW]), SHIFT_TO] = other[L]
        adopt(k, i, other[ODDS], main, other)


@kernel(
    "void(int64[::1], float64[::1], float64[::1], float64[::1], int64[::1], int8[::1],"
    " float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], boolean[::1], int8[::1],"
    " float64[:, ::1], boolean[::1])",
)
def filter_kernel(
    indptr: Ints, day: Floats, hour: Floats, weight: Floats, source: Ints, forced: Codes,
    process: Floats, table: Floats, start: Floats, out: Floats, accepted: Bools, reason: Codes,
    state: Floats, settled: Bools,
) -> None:  # fmt: skip
    """All persons of a batch. start, state: (U, STATE_SIZE); out: (N, OUT_SIZE)."""
    tracks = np.zeros((2, TRACK_SIZE))
    main, other = tracks[0], tracks[1]
    memory = np.zeros(MEMORY_SIZE)
    scratch = np.zeros((2, REASON_COUNT))
    k = Work(
        day, hour, weight, source, forced, process, table, out, accepted, reason, memory,
        scratch[0], scratch[1],
    )  # fmt: skip
    for u in range(len(indptr) - 1):
        fill(main, 0.0)
        copy(main, start[u], TRACK_KEPT)
        copy(memory, start[u, TRACK_KEPT:], MEMORY_SIZE)
        if math.isnan(main[DAY]):
            main[COUNT] = 0.0
            fill(memory, np.nan)
            memory[FAULT] = 0.0
        other[COUNT] = 0.0
        for i in range(indptr[u], indptr[u + 1]):
            judge(k, i, indptr[u], main, other)
        settled[u] = other[COUNT] == 0.0 and confirmed(main, main[DAY], process)
        fill(state[u], np.nan)
        if main[COUNT] > 0.0:
            main[SOURCE] = -1.0  # several sources from here on, whichever comes next
            main[SOURCES] = 1.0
            copy(state[u], main, TRACK_KEPT)
            copy(state[u, TRACK_KEPT:], memory, MEMORY_SIZE)
