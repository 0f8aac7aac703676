"""The compiled retro engine: what the past and the future together say of each reading.

The filter of competing courses runs forwards, and on the series reversed in time; at each reading
every course from before meets every course from after, and the reading is judged on what they say
together. Verdict, reason and level are marginals over all courses. The result is a function of the
sorted series alone. Formulas: docs/judging.md, eq. 8-9.
"""

import math

import numpy as np
from numba import float64, from_dtype, int8, int64, void

from weightstream.engine.beam import (
    COURSES,
    advance_all,
    branch,
    forget_errors,
    make_beam,
    start_beam,
)
from weightstream.engine.compiled import inlined, jit, kernel
from weightstream.engine.merging import mark_copies
from weightstream.engine.mixture import (
    OVERRIDE,
)
from weightstream.engine.naming import name_rejected
from weightstream.engine.pairs import join
from weightstream.engine.process import conditions
from weightstream.engine.records import COURSE, PROCESS, READING, ROW, SOURCE, Records
from weightstream.engine.retro import (
    ORIGIN,
    SIDE_LOG,
    SIDE_SIZE,
    SIDE_WEIGHT,
    SUMS,
    WORK,
    Series,
)
from weightstream.engine.sides import lay_out, lone_side, meet, origin_of, roughly
from weightstream.engine.straight import go_straight
from weightstream.engine.weighing import EASY, FULL, WEAK, weigh_pair, write
from weightstream.types import Codes, Floats, Ints

FAINT, SLIGHT = 1e-4, 0.01
"""Pairs of this share of the likeliest have no say; no say on errors."""
LEAST = 1e-300
"""Has a logarithm."""
STEP_KG = 3.0
"""Least change of level that is told as a step."""
AGREED = 6.0
"""Squared SDs between the levels from before and after within which they agree."""
SIDES = 4 * COURSES


@jit
def forwards(x: Series, first: int, last: int) -> None:
    """Run the courses over rows first:last; what they predict of each row goes to ahead."""
    k = x.k
    n = start_beam(k, k.readings[first].day)
    at = 0
    for i in range(first, last):
        advance_all(k, n, k.readings[i].day)
        x.ahead_start[i - first] = at
        for a in range(n):
            x.ahead[at] = k.courses[a]
            at += 1
        n = step(x, i, n, first)
    x.ahead_start[last - first] = at


@jit
def step(x: Series, i: int, n: int, first: int) -> int:
    """Move n courses past a reading; a copy tells them nothing."""
    if x.work[i - first].copy_of >= 0:
        return n
    if go_straight(x.k, i, n)[0]:
        return 1
    return branch(x.k, i, n)[0]


@jit
def backwards(x: Series, first: int, last: int) -> None:
    """Run the courses over the rows in reverse, and judge each by those from before and after."""
    k = x.k
    n = start_beam(k, k.readings[last - 1].day)
    for i in range(last - 1, first - 1, -1):
        advance_all(k, n, k.readings[i].day)
        judge(x, i, first, n)
        n = step(x, i, n, first)


@jit
def judge(x: Series, i: int, first: int, n: int) -> None:
    """Judge reading i by n courses from after it and those from before."""
    start, end = x.ahead_start[i - first], x.ahead_start[i - first + 1]
    k = x.k
    x.joint[ORIGIN] = origin_of(x, start, end, n)
    t = x.sums[0]
    t.pairs = t.known = t.mean = t.square = t.calm = t.calm_mean = t.calm_square = 0.0
    t.right = t.wrong = 0.0
    t.levels = t.level = t.level_square = t.trend = t.moved = t.likeliest = t.error = 0.0
    t.right_level = t.right_square = t.right_trend = 0.0
    forget_errors(k)
    alone = end - start == 1 and n == 1 and k.readings[i].forced == 0
    if not (alone and judge_at_ease(x, i, first, start)):
        befores, afters = 0, 0
        for a in range(start, end):
            befores = lay_out(x, x.before, x.ahead[a], befores, a, i, 1.0)
        for b in range(n):
            afters = lay_out(x, x.after, k.courses[b], afters, b, i, -1.0)
        judge_by_pairs(x, i, first, befores, afters)
    write(x, i, first)


@inlined
def judge_at_ease(x: Series, i: int, first: int, start: int) -> bool:
    """Judge a reading that nothing contradicts by the one pair of courses; False where it is not.

    Nothing is written in that case.
    """
    if x.work[i - first].copy_of >= 0:
        return False
    f, b = x.before[0], x.after[0]
    if lone_side(x, x.before, x.ahead[start], start, 1.0) == 0:
        return False
    if lone_side(x, x.after, x.k.courses[0], 0, -1.0) == 0:
        return False
    c, d = x.ahead[start], x.k.courses[0]
    off = c.r + c.x - d.r - d.x
    apart = c.rr + 2.0 * c.rx + c.xx + d.rr + 2.0 * d.rx + d.xx
    if off * off > AGREED * apart:
        return False
    join(f, b, x.k.p[0], x.joint, x.scratch)
    return weigh_pair(x, i, first, 1.0, f, b, EASY)


@inlined
def judge_by_pairs(x: Series, i: int, first: int, befores: int, afters: int) -> None:
    """Add up what each pair of sides says of reading i, the faint ones aside.

    Sides are in the order of their courses' weights, so that most likely ones come early.
    """
    for a in range(befores):
        x.before[a, SIDE_LOG] = math.log(max(x.before[a, SIDE_WEIGHT], LEAST))
    for b in range(afters):
        x.after[b, SIDE_LOG] = math.log(max(x.after[b, SIDE_WEIGHT], LEAST))
    most, faint = 0.0, -math.inf
    for a in range(befores):
        for b in range(afters):
            f, g = x.before[a], x.after[b]
            if roughly(f, g) <= faint:
                continue
            weight = meet(x, i, f, g)
            if weight > FAINT * most:
                weigh_pair(x, i, first, weight, f, g, WEAK if weight < SLIGHT * most else FULL)
                if weight > most:
                    most, faint = weight, math.log(max(FAINT * weight, LEAST))


@jit
def prepare(x: Series, first: int, last: int, scale: float, born: float, sex: int) -> None:
    """scale: of this person's variances, as the causal pass has learnt it."""
    p = x.k.p[0]
    x.k.p[0] = x.usual[0]
    p.scale, p.adapts = scale, 0.0
    p.born, p.sex = born, sex
    for i in range(first, last):
        w, s = x.work[i - first], x.k.table[x.k.readings[i].source]
        w.factor, w.offset, extra = conditions(x.k.readings[i].day, x.k.readings[i].hour, s, p)
        w.offset += s.bias
        w.noise = (s.noise_var + extra) * p.scale
        w.move = 0.0


@jit
def conclude(x: Series, first: int, last: int) -> None:
    """Steps of the level, reasons of what is rejected, and what a person decided."""
    before, counted = math.nan, 0
    for i in range(first, last):
        row = x.out[i]
        if row.accepted:
            counted += 1
            step = x.work[i - first].move > 0.5 and abs(row.level - before) > STEP_KG
            if step:
                row.shift_from, row.shift_to = before, row.level
            before = row.level
    for i in range(first, last):
        row = x.out[i]
        if counted == 1 and row.accepted:
            row.mean = row.sd = math.nan
        if counted == 0:
            row.mean = row.sd = row.level = row.level_sd = row.trend = math.nan
        if row.accepted or x.k.readings[i].forced != 0:
            row.suggested = row.p_reason = row.second = row.p_second = math.nan
        if x.k.readings[i].forced != 0:
            row.reason = OVERRIDE
    name_rejected(x, first, last)


@jit
def smooth(x: Series, first: int, last: int, scale: float, born: float, sex: int) -> None:
    """Judge one person's rows first:last; out holds the causal results."""
    mark_copies(x, first, last)
    prepare(x, first, last, scale, born, sex)
    forwards(x, first, last)
    backwards(x, first, last)
    conclude(x, first, last)


@kernel(
    void(
        int64[::1],
        float64[::1],
        int8[::1],
        from_dtype(READING)[::1],
        from_dtype(PROCESS)[::1],
        from_dtype(SOURCE)[::1],
        from_dtype(ROW)[::1],
        float64[:, ::1],
        float64[::1],
    )
)
def smooth_kernel(
    indptr: Ints, born: Floats, sex: Codes, readings: Records, process: Records, table: Records,
    out: Records, tally: Floats, scale: Floats,
) -> None:  # fmt: skip
    """All persons of a batch; out: (N,) of ROW, holds the causal results and is revised.

    tally: (S, REASON_COUNT), to which the expected number of errors by source and reason is added.
    scale: (U,), of filter_kernel.
    """
    longest = 0
    for u in range(len(indptr) - 1):
        longest = max(longest, indptr[u + 1] - indptr[u])
    k = make_beam(readings, process.copy(), table)
    x = Series(
        k, process, out, np.zeros(longest, WORK), tally, np.empty(longest * COURSES, COURSE),
        np.zeros(longest + 1, np.int64), np.zeros((SIDES, SIDE_SIZE)),
        np.zeros((SIDES, SIDE_SIZE)), np.zeros(16), np.zeros(10), np.zeros(1, SUMS),
    )  # fmt: skip
    for u in range(len(indptr) - 1):
        if indptr[u + 1] > indptr[u]:
            smooth(x, indptr[u], indptr[u + 1], scale[u], born[u], sex[u])
