"""The compiled causal filter: one pass over each person's readings, in order of time.

What a reading was taken for stays open while courses that differ in it are likely; when the odds
turn, the earlier decisions follow the likelier course. Formulas: docs/judging.md.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import float64, from_dtype, int8, int64, void

from weightstream.engine.beam import (
    MOVED,
    OVERRIDE,
    TURNED,
    VALID,
    WRONG,
    Beam,
    advance_all,
    branch,
    make_beam,
    proceed,
    start_beam,
)
from weightstream.engine.compiled import inlined, jit, kernel
from weightstream.engine.course import noise_of
from weightstream.engine.densities import interval_sd
from weightstream.engine.merging import ZONE_DAYS, one_time, same_weight
from weightstream.engine.mixture import (
    COPY_DAYS,
    COPY_RATE,
    OK,
    REASON_COUNT,
    REPEAT,
    UNKNOWN,
    explain,
    first_mean,
    likeliest,
)
from weightstream.engine.process import advance, conditions, scatter, small, spread
from weightstream.engine.records import COURSE, KEPT, PROCESS, READING, ROW, SOURCE, Records
from weightstream.engine.state import load, store
from weightstream.engine.straight import go_straight
from weightstream.types import Codes, Floats, Ints

OPEN_ROWS = 60
"""Readings that stay open at most; then the likeliest course is taken for good."""


class Pass(NamedTuple):
    """Where a causal pass writes, and what it remembers of the readings that are open.

    anchor: (1,) the course before the first open reading. replayed: (1,) scratch. open_rows:
    (OPEN_ROWS,) their rows. memory: (3,) day, kg and source of the reading before. anchored: (3,)
    the same of the anchor.
    """

    out: Records
    anchor: Records
    replayed: Records
    open_rows: Ints
    memory: Floats
    anchored: Floats


@jit
def is_copy(k: Beam, m: Floats, i: int) -> bool:
    """Whether a reading is the weighing before it, told by another source or in other words."""
    apart = k.readings[i].day - m[0]  # NaN where nothing is before
    if (
        not apart <= ZONE_DAYS
        or k.readings[i].forced != 0
        or not same_weight(m[1], k.readings[i].weight)
    ):
        return False
    if apart <= COPY_DAYS and m[2] != k.table[k.readings[i].source].key:
        return True
    return one_time(m[0], k.readings[i].day)


@jit
def predicted(k: Beam, c: Any, i: int) -> tuple[float, float]:
    """Mean and variance of reading i on a course as it is now; UNKNOWN where it has no level."""
    if math.isnan(c.seen):
        return first_mean(k.p[0]), UNKNOWN
    p, s = k.p[0], k.table[k.readings[i].source]
    factor, offset, extra = conditions(k.readings[i].day, k.readings[i].hour, s, p)
    level = c.r + c.x
    variance = spread(c, factor) + noise_of(c, s, extra) * scatter(level) ** 2
    return factor * level + c.w + (offset + s.bias) * small(level), variance


@jit
def prediction(k: Beam, c: Any, i: int) -> tuple[float, float]:
    """Mean and SD of reading i on a course at its time; NaN where nothing is known."""
    if math.isnan(c.seen):
        return math.nan, math.nan
    mean, variance = predicted(k, c, i)
    p = k.p[0]
    return mean, interval_sd(variance, p.tail_share, p.tail_var * scatter(c.r + c.x) ** 2)


@inlined
def note(row: Any, c: Any) -> None:
    """Write a course's estimate of the slow weight beside a reading."""
    row.level = row.level_sd = row.trend = math.nan
    if not math.isnan(c.seen):
        row.level = c.r + c.x
        row.level_sd = math.sqrt(max(c.rr + 2.0 * c.rx + c.xx, 0.0))
        row.trend = c.v


@jit
def note_all(row: Any, k: Beam, n: int, right: bool) -> None:
    """The same of all courses on which the reading is what it was decided to be."""
    total, level, square, trend = 0.0, 0.0, 0.0, 0.0
    for a in range(n):
        c = k.courses[a]
        if math.isnan(c.seen) or (c.rights & 1 == 1) != right:
            continue
        mean = c.r + c.x
        total += c.weight
        level += c.weight * mean
        square += c.weight * (mean * mean + c.rr + 2.0 * c.rx + c.xx)
        trend += c.weight * c.v
    row.level = row.level_sd = row.trend = math.nan
    if total > 0.0:
        row.level, row.trend = level / total, trend / total
        row.level_sd = math.sqrt(max(square / total - row.level * row.level, 0.0))


@jit
def clear(row: Any) -> None:
    row.p = row.mean = row.sd = row.level = row.level_sd = row.trend = math.nan
    row.suggested = row.p_reason = row.second = row.p_second = math.nan
    row.shift_from = row.shift_to = row.change = row.change_sd = math.nan
    row.evidence = 0.0


@jit
def name(row: Any, errors: Records) -> int:
    """Write the likeliest error and the next one with their probabilities; returns its code."""
    best = likeliest(errors)
    total, second = 0.0, -1
    for reason in range(1, REASON_COUNT):
        density = errors[reason].density
        total += density
        if reason != best and density > (errors[second].density if second > 0 else 0.0):
            second = reason
    row.suggested = errors[best].undone
    if total > 0.0:
        row.p_reason = errors[best].density / total
        if second > 0:
            row.second, row.p_second = float(second), errors[second].density / total
    return best


@inlined
def judge(k: Beam, w: Pass, i: int, n: int) -> tuple[int, bool]:
    """Predict reading i, decide on it, move the courses past it; says how many they are now, and
    whether the reading is open."""
    row = w.out[i]
    clear(row)
    advance_all(k, n, k.readings[i].day)
    if is_copy(k, w.memory, i):
        row.mean, row.sd = prediction(k, k.courses[0], i)
        row.p = 1.0 - COPY_RATE
        row.p_reason = 1.0
        row.accepted, row.reason = False, REPEAT
        note(row, k.courses[0])
        return n, False
    straight, row.p, row.mean, row.sd, row.evidence = go_straight(k, i, n)
    if straight:
        row.accepted, row.reason = True, OK
        note(row, k.courses[0])
        return 1, False
    return judge_openly(k, w, i, n)


@jit
def judge_openly(k: Beam, w: Pass, i: int, n: int) -> tuple[int, bool]:
    """Decide on a reading by all that it may be on all courses."""
    row, forced = w.out[i], k.readings[i].forced
    if n == 1:
        w.anchor[0] = k.courses[0]
        for at in range(3):
            w.anchored[at] = w.memory[at]
    n, row.p, row.mean, row.sd, row.evidence = branch(k, i, n)
    if forced != 0:
        row.p = 1.0 if forced > 0 else 0.0
    row.accepted = row.p >= k.p[0].accept
    if forced != 0:
        row.reason = OVERRIDE
    elif row.accepted:
        row.reason = OK
    else:
        row.reason = name(row, k.marginals)
    note_all(row, k, n, row.accepted)
    return n, True


@jit
def share_right(k: Beam, n: int, back: int) -> float:
    """Probability that the reading `back` readings before the newest is right."""
    total = 0.0
    for a in range(n):
        total += k.courses[a].weight * ((k.courses[a].rights >> back) & 1)
    return min(total, 1.0)  # weights add up to 1 but for rounding


@jit
def turned(k: Beam, w: Pass, n: int, count: int) -> bool:
    """Whether the odds of an open reading are other than what was decided on it."""
    for at in range(count):
        i = w.open_rows[at]
        right = share_right(k, n, count - 1 - at) >= k.p[0].accept
        if k.readings[i].forced == 0 and right != w.out[i].accepted:
            return True
    return False


@jit
def representative(k: Beam, n: int, count: int) -> int:
    """The likeliest of the courses on which most open readings are what is decided on them.

    The likeliest of all may contradict what several others say together.
    """
    best, most = 0, -1
    for a in range(n):
        agreed = 0
        for back in range(count):
            right = share_right(k, n, back) >= k.p[0].accept
            agreed += ((k.courses[a].rights >> back) & 1 == 1) == right
        if agreed > most:
            best, most = a, agreed
    return best


@jit
def reconsider(k: Beam, w: Pass, n: int, count: int) -> None:
    """Decide on the open readings anew, by all that is known now; one course gives the levels."""
    top, p = k.courses[representative(k, n, count)], k.p[0]
    c = w.replayed[0]
    w.replayed[0] = w.anchor[0]
    before = math.nan
    for at in range(count):
        i, back = w.open_rows[at], count - 1 - at
        row = w.out[i]
        p.age = k.readings[i].day - p.born
        advance(c, k.readings[i].day, p)
        row.mean, row.sd = prediction(k, c, i)
        right = share_right(k, n, back)
        what = WRONG
        if (top.rights >> back) & 1 == 1:
            what = VALID
            if (top.moves >> back) & 1 == 1:
                what = MOVED
            elif ((top.spells >> back) & 1 == 1) != (c.restless == 1.0):
                what = TURNED
        if not math.isnan(c.seen):
            before = c.r + c.x
        proceed(k, c, i, what, OVERRIDE, math.nan if what == WRONG else k.readings[i].weight)
        note(row, c)
        accepted = right >= k.p[0].accept
        at_hand = 0
        while accepted and math.isnan(row.level) and at_hand < n:
            note(row, k.courses[at_hand])  # on the likeliest one nothing was right so far
            at_hand += 1
        if k.readings[i].forced == 0 and accepted != row.accepted:
            row.p, row.accepted = right, accepted
            if accepted:
                row.reason = OK
                row.suggested = row.p_reason = row.second = row.p_second = math.nan
                if what == MOVED and not math.isnan(before):
                    row.shift_from, row.shift_to = before, top.r + top.x
            else:
                rename(k, w, i, top)
                row.shift_from = row.shift_to = math.nan


@jit
def rename(k: Beam, w: Pass, i: int, c: Any) -> None:
    """Name a reading that is rejected after all, by a course as it is now."""
    p, s = k.p[0], k.table[k.readings[i].source]
    mean, variance = predicted(k, c, i)
    explain(k.readings[i].weight, mean, variance, s, p, k.errors)
    w.out[i].reason = name(w.out[i], k.errors)


@jit
def run(k: Beam, w: Pass, first: int, last: int, n: int) -> tuple[int, int]:
    """Judge rows first:last; returns how many courses and open readings there are then."""
    count = 0
    for i in range(first, last):
        n, is_open = judge(k, w, i, n)
        if is_open:
            w.open_rows[count] = i
            count += 1
            if count == OPEN_ROWS:
                n = 1
                k.courses[0].weight = 1.0
            if turned(k, w, n, count):
                reconsider(k, w, n, count)
            if n == 1:
                count = 0
        w.memory[0], w.memory[1] = k.readings[i].day, k.readings[i].weight
        w.memory[2] = k.table[k.readings[i].source].key
    return n, count


@jit
def keep(w: Pass, k: Beam, count: int, state: Floats) -> None:
    """Write the state from which the readings after the last settled one can be judged again.

    None if readings of one time lie on both sides of it.
    """
    c, memory = (k.courses[0], w.memory) if count == 0 else (w.anchor[0], w.anchored)
    state[:] = math.nan
    if math.isnan(c.seen) or (count > 0 and k.readings[w.open_rows[0]].day == memory[0]):
        return
    store(state, c)
    for at in range(3):
        state[KEPT + at] = memory[at]


@kernel(
    void(
        int64[::1],
        float64[::1],
        int8[::1],
        from_dtype(READING)[::1],
        from_dtype(PROCESS)[::1],
        from_dtype(SOURCE)[::1],
        float64[:, ::1],
        from_dtype(ROW)[::1],
        float64[:, ::1],
        float64[::1],
    )
)
def filter_kernel(
    indptr: Ints, born: Floats, sex: Codes, readings: Records, process: Records, table: Records,
    start: Floats, out: Records, state: Floats, scale: Floats,
) -> None:  # fmt: skip
    """All persons of a batch. start, state: (U, STATE_SIZE); out: (N,) of ROW. scale: (U,), each
    person's variances over those of most, on the likeliest course."""
    k = make_beam(readings, process.copy(), table)
    p = k.p[0]
    w = Pass(
        out, np.zeros(1, COURSE), np.zeros(1, COURSE), np.zeros(OPEN_ROWS, np.int64), np.zeros(3),
        np.zeros(3),
    )  # fmt: skip
    for u in range(len(indptr) - 1):
        first, last = indptr[u], indptr[u + 1]
        p.born, p.sex, p.age = born[u], sex[u], math.nan
        n = start_beam(k, readings[first].day if last > first else 0.0)
        w.memory[:] = math.nan
        if not math.isnan(start[u, 0]):
            load(start[u], k.courses[0])
            for at in range(3):
                w.memory[at] = start[u, KEPT + at]
        n, count = run(k, w, first, last, n)
        scale[u] = k.courses[0].scale
        keep(w, k, count, state[u])
