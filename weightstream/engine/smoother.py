"""The compiled retro engine: what the past and the future together say of each reading.

The filter of competing courses runs forwards, and on the series reversed in time; at each reading
every course from before meets every course from after, and the reading is judged on what they say
together. Verdict, reason and level are marginals over all courses. The result is a function of the
sorted series alone. Formulas: docs/judging.md, eq. 9-10.
"""

import math
from typing import Any

import numpy as np
from numba import boolean, float64, from_dtype, int8, int64, void

from weightstream.batch import Codes, Floats, Ints
from weightstream.engine.beam import (
    COURSES,
    RESTLESS_DAYS,
    SURE,
    TINY,
    UNSURPRISING,
    advance_all,
    branch,
    go_straight,
    raise_guest,
    raise_run,
    rate_factor,
    restless_rate,
    start_beam,
)
from weightstream.engine.compiled import jit, kernel
from weightstream.engine.densities import (
    MOVE_SHARE,
    believed_noise,
    birth_density,
    interval_sd,
    leap_sd,
    move_rates,
    valid_density,
)
from weightstream.engine.filter import Bools, make_beam, name
from weightstream.engine.merging import mark_copies
from weightstream.engine.mixture import (
    COPY_RATE,
    HIGHEST,
    LOWEST,
    OK,
    OVERRIDE,
    REASON_COUNT,
    START_KG,
    explain,
)
from weightstream.engine.naming import name_rejected
from weightstream.engine.pairs import invert, join, put_course, widen
from weightstream.engine.process import conditions, small, spell_variance
from weightstream.engine.records import COURSE, PROCESS, ROW, SOURCE, Records
from weightstream.engine.retro import (
    COVARIANCES,
    LOGDET,
    MEANS,
    ORIGIN,
    PRECISIONS,
    SIDE_COURSE,
    SIDE_LEVEL,
    SIDE_MOVED,
    SIDE_RESTLESS,
    SIDE_SIZE,
    SIDE_VAR,
    SIDE_WEIGHT,
    SUMS,
    WORK,
    Series,
)

ROUGHLY = 100.0
"""How much more than their weights two sides may come to by meeting."""
FAINT, SLIGHT = 1e-5, 0.01
"""Pairs of this share of the likeliest have no say; no say on errors."""
FULL, WEAK, EASY = range(3)
STEP_KG = 3.0
"""Least change of level that is told as a step."""
NO_BODY = 1e-12
"""Density of first readings where no body is."""
AGREED = 6.0
"""Squared SDs between the levels from before and after within which they agree."""
SIDES = 4 * COURSES


@jit
def forwards(x: Series, first: int, last: int) -> None:
    """Run the courses over rows first:last; what they predict of each row goes to ahead."""
    k = x.k
    n = start_beam(k, k.day[first])
    at = 0
    for i in range(first, last):
        advance_all(k, n, k.day[i])
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
    n = start_beam(k, k.day[last - 1])
    for i in range(last - 1, first - 1, -1):
        advance_all(k, n, k.day[i])
        judge(x, i, first, n)
        n = step(x, i, n, first)


@jit
def lay_out(x: Series, sides: Floats, c: Any, at: int, number: int, i: int, sign: float) -> int:
    """A course at reading i as sides: as it is, moved, leapt, and in another regime.

    Returns the number of sides.
    """
    side = sides[at]
    side[SIDE_COURSE], side[SIDE_MOVED] = number, 0.0
    side[SIDE_RESTLESS], side[SIDE_WEIGHT] = c.restless, c.weight
    side[SIDE_LEVEL] = math.nan
    if math.isnan(c.seen):
        return at + 1
    put_course(side, c, sign, x.joint[ORIGIN], x.scratch)
    if math.isnan(side[LOGDET]):
        return at
    level = c.r + c.x
    gap = abs(x.k.day[i] - c.seen)
    moving, leaping = move_rates(gap, x.k.p[0])
    turning = restless_rate(c, x.k.day[i], x.k.p[0])
    side[SIDE_WEIGHT] = c.weight * (1.0 - moving - leaping) * (1.0 - turning)
    if gap == 0.0:
        return at + 1
    new = sides[at + 1]
    widen(new, side, (MOVE_SHARE * level) ** 2)
    new[SIDE_WEIGHT], new[SIDE_MOVED] = c.weight * moving, 1.0
    new = sides[at + 2]
    widen(new, side, leap_sd(level, gap) ** 2)
    new[SIDE_WEIGHT], new[SIDE_MOVED] = c.weight * leaping, 1.0
    new = sides[at + 3]
    widen(new, side, spell_variance(level, gap) if c.restless == 0.0 else 0.0)
    new[SIDE_WEIGHT], new[SIDE_MOVED] = c.weight * turning, 1.0
    new[SIDE_RESTLESS] = 1.0 - c.restless
    return at + 4


@jit
def lone_side(x: Series, sides: Floats, c: Any, i: int, sign: float) -> int:
    """A lone calm course as one side, where it is not contradicted; 0 where it has to be more."""
    if math.isnan(c.seen) or c.restless == 1.0:
        return 0
    side = sides[0]
    side[SIDE_COURSE], side[SIDE_MOVED], side[SIDE_RESTLESS] = 0.0, 0.0, 0.0
    side[SIDE_WEIGHT] = 1.0
    put_course(side, c, sign, x.joint[ORIGIN], x.scratch)
    return 0 if math.isnan(side[LOGDET]) else 1


@jit
def origin_of(x: Series, start: int, end: int, n: int) -> float:
    """A level near those of the courses, from which r is counted, for digits."""
    for a in range(start, end):
        if not math.isnan(x.ahead[a].seen):
            return x.ahead[a].r
    for b in range(n):
        if not math.isnan(x.k.courses[b].seen):
            return x.k.courses[b].r
    return 0.0


@jit
def judge(x: Series, i: int, first: int, n: int) -> None:
    """Judge reading i by n courses from after it and those from before."""
    start, end = x.ahead_start[i - first], x.ahead_start[i - first + 1]
    k = x.k
    x.joint[ORIGIN] = origin_of(x, start, end, n)
    t = x.sums[0]
    t.pairs = t.known = t.mean = t.square = t.calm = t.calm_mean = t.calm_square = 0.0
    t.loo = t.loo_square = t.right = t.wrong = 0.0
    t.levels = t.level = t.level_square = t.trend = t.moved = t.likeliest = t.error = 0.0
    for reason in range(REASON_COUNT):
        k.errors[reason] = k.likely[reason] = 0.0
        k.restored[reason] = math.nan
    alone = end - start == 1 and n == 1 and k.forced[i] == 0
    if not (alone and judge_at_ease(x, i, first, start)):
        befores, afters = 0, 0
        for a in range(start, end):
            befores = lay_out(x, x.before, x.ahead[a], befores, a, i, 1.0)
        for b in range(n):
            afters = lay_out(x, x.after, k.courses[b], afters, b, i, -1.0)
        judge_by_pairs(x, i, first, befores, afters)
    write(x, i, first)


@jit
def judge_at_ease(x: Series, i: int, first: int, start: int) -> bool:
    """Judge a reading that nothing contradicts by the one pair of courses; False where it is not.

    Nothing is written in that case.
    """
    if x.work[i - first].copy_of >= 0:
        return False
    f, b = x.before[0], x.after[0]
    if lone_side(x, x.before, x.ahead[start], i, 1.0) == 0:
        return False
    if lone_side(x, x.after, x.k.courses[0], i, -1.0) == 0:
        return False
    c, d = x.ahead[start], x.k.courses[0]
    off = c.r + c.x - d.r - d.x
    apart = c.rr + 2.0 * c.rx + c.xx + d.rr + 2.0 * d.rx + d.xx
    if off * off > AGREED * apart:
        return False
    join(f, b, x.k.p[0], x.joint, x.scratch)
    return weigh_pair(x, i, first, 1.0, f, b, EASY)


@jit
def judge_by_pairs(x: Series, i: int, first: int, befores: int, afters: int) -> None:
    """Add up what each pair of sides says of reading i, the faint ones aside.

    Sides are in the order of their courses' weights, so that most likely ones come early.
    """
    most = 0.0
    for a in range(befores):
        for b in range(afters):
            f, g = x.before[a], x.after[b]
            if roughly(f, g) <= FAINT * most:
                continue
            weight = meet(x, f, g)
            if weight > FAINT * most:
                weigh_pair(x, i, first, weight, f, g, WEAK if weight < SLIGHT * most else FULL)
                most = max(most, weight)


@jit
def roughly(f: Floats, b: Floats) -> float:
    """No less than about the weight with which two sides meet, by their levels alone."""
    weight = f[SIDE_WEIGHT] * b[SIDE_WEIGHT]
    if math.isnan(f[SIDE_LEVEL]) or math.isnan(b[SIDE_LEVEL]):
        return weight
    if f[SIDE_RESTLESS] != b[SIDE_RESTLESS]:
        return 0.0
    off = f[SIDE_LEVEL] - b[SIDE_LEVEL]
    apart = 0.5 * off * off / (f[SIDE_VAR] + b[SIDE_VAR])
    return ROUGHLY * weight * math.exp(-min(apart, 300.0))


@jit
def prior_of(restless: float, p: Any) -> float:
    """Share of time in a regime."""
    share = p.restless_per_day * RESTLESS_DAYS
    return share if restless == 1.0 else 1.0 - share


@jit
def meet(x: Series, f: Floats, b: Floats) -> float:
    """Joint state of two sides into x.joint, and the weight with which they meet."""
    weight = f[SIDE_WEIGHT] * b[SIDE_WEIGHT]
    before, after = not math.isnan(f[SIDE_LEVEL]), not math.isnan(b[SIDE_LEVEL])
    if not (before and after):
        if before or after:
            one = f if before else b
            for at in range(4):
                x.joint[MEANS + at] = one[MEANS + at]
            invert(one, PRECISIONS, x.joint, COVARIANCES)
        return weight
    if f[SIDE_RESTLESS] != b[SIDE_RESTLESS]:
        return 0.0
    p = x.k.p[0]
    density = join(f, b, p, x.joint, x.scratch)
    level = x.joint[0] + x.joint[1] + x.joint[ORIGIN]
    if math.isnan(density):
        return 0.0
    # However far apart two sides are, some pair has to be the likeliest.
    prior = prior_of(f[SIDE_RESTLESS], p) * max(birth_density(level), NO_BODY)
    return weight * math.exp(max(density, -300.0)) / prior


@jit
def weigh_birth(
    x: Series, i: int, first: int, weight: float, f: Floats, b: Floats, prior: float
) -> None:
    """Add what a pair of sides says that knows no level: all other readings are errors.

    prior: probability that the reading is right before it is seen.
    """
    k, w, t = x.k, x.work[i - first], x.sums[0]
    t.pairs += weight
    right = prior * birth_density(k.weight[i]) if prior > 0.0 else 0.0
    if k.forced[i] > 0:
        right = max(right, TINY)
    t.right += right
    if right > 0.0:
        level = k.weight[i] - (w.offset + k.table[k.source[i]].bias)
        t.levels += right
        t.level += right * level
        t.level_square += right * (level * level + w.noise)
    t.wrong += weigh_errors(x, i, weight, START_KG[0], START_KG[1] ** 2, f, b, w.copy_of >= 0)


@jit
def weigh_pair(
    x: Series, i: int, first: int, weight: float, f: Floats, b: Floats, how: int
) -> bool:
    """Add what a pair of sides, whose joint state stands in x.joint, says of reading i.

    how: EASY: only if the reading surprises nobody; WEAK: its errors are those of the likeliest
    pair, which cost the most to weigh. Returns whether it was added.
    """
    k, w, t, j = x.k, x.work[i - first], x.sums[0], x.joint
    p, s, y = k.p[0], k.table[k.source[i]], k.weight[i]
    possible = LOWEST <= y <= HIGHEST and k.forced[i] >= 0 and w.copy_of < 0
    prior = weight * s.rate[OK]
    if math.isnan(f[SIDE_LEVEL]) and math.isnan(b[SIDE_LEVEL]):
        weigh_birth(x, i, first, weight, f, b, prior if possible else 0.0)
        return True
    c = COVARIANCES
    level = j[0] + j[1] + j[ORIGIN]
    size = small(level)
    noise, tail = w.noise * size * size, p.tail_var * size * size
    mean = w.factor * level + j[3] + w.offset * size
    gr = w.factor * (j[c] + j[c + 1]) + j[c + 3]
    gx = w.factor * (j[c + 1] + j[c + 4]) + j[c + 6]
    gv = w.factor * (j[c + 2] + j[c + 5]) + j[c + 8]
    gw = w.factor * (j[c + 3] + j[c + 6]) + j[c + 9]
    variance = w.factor * (gr + gx) + gw + noise
    residual = y - mean
    if how == EASY and (residual * residual > UNSURPRISING * variance or variance > 9.0):
        return False
    density, usual = valid_density(residual, variance, p.tail_share, tail)
    right = prior * density if possible else 0.0
    if k.forced[i] > 0:
        right = max(right, TINY * weight)
    if how == WEAK:
        wrong = weight * t.error
    else:
        wrong = weigh_errors(x, i, weight, mean, variance, f, b, w.copy_of >= 0)
        if weight > t.likeliest:
            t.likeliest, t.error = weight, wrong / weight
    if how == EASY and wrong > SURE * right:
        for reason in range(REASON_COUNT):
            k.errors[reason] = k.likely[reason] = 0.0
        return False
    spread = j[c] + 2.0 * j[c + 1] + j[c + 4]
    t.pairs += weight
    t.known += weight
    t.mean += weight * mean
    t.square += weight * (mean * mean + variance)
    if f[SIDE_MOVED] + b[SIDE_MOVED] == 0.0:
        t.calm += weight
        t.calm_mean += weight * mean
        t.calm_square += weight * (mean * mean + variance)
    t.loo += weight * level
    t.loo_square += weight * (level * level + spread)
    t.right += right
    t.wrong += wrong
    if f[SIDE_MOVED] > 0.0:
        t.moved += right + wrong
    if right == 0.0:
        residual = 0.0  # a value without measure would leave no number behind
    believed = variance - noise + believed_noise(noise, usual, tail)
    after = level + (gr + gx) * residual / believed
    narrow = max(spread - (gr + gx) ** 2 / believed, 0.0)
    t.levels += right + wrong
    t.level += right * after + wrong * level
    t.level_square += right * (after * after + narrow) + wrong * (level * level + spread)
    t.trend += right * (j[2] + gv * residual / believed) + wrong * j[2]
    return True


@jit
def weigh_errors(
    x: Series, i: int, weight: float, mean: float, variance: float, f: Floats, b: Floats, copy: bool
) -> float:
    """Add the densities of errors at reading i to those of other pairs; returns the sum."""
    k = x.k
    if k.forced[i] > 0:
        return 0.0
    if k.forced[i] < 0 or copy:
        return weight
    s, y = k.table[k.source[i]], k.weight[i]
    c, d = x.ahead[int(f[SIDE_COURSE])], k.courses[int(b[SIDE_COURSE])]
    factor = rate_factor(c.wrong + d.wrong, c.feared + d.feared)
    wrong = factor * explain(y, mean, variance, s, k.p[0], k.density, k.undone)
    for reason in range(1, REASON_COUNT):
        k.density[reason] *= factor
    wrong += raise_run(c, s, factor, k.density) + raise_run(d, s, factor, k.density)
    wrong += raise_guest(c, y, s, k.density) + raise_guest(d, y, s, k.density)
    for reason in range(1, REASON_COUNT):
        own = weight * k.density[reason]
        k.errors[reason] += own
        if own > k.likely[reason]:
            k.likely[reason] = own
            k.restored[reason] = k.undone[reason]
    return weight * max(wrong, TINY)


@jit
def write(x: Series, i: int, first: int) -> None:
    """Results of reading i from the sums."""
    row, w, t, p = x.out[i], x.work[i - first], x.sums[0], x.k.p[0]
    row.mean = row.sd = row.level = row.level_sd = row.trend = math.nan
    row.suggested = row.p_reason = row.second = row.p_second = math.nan
    row.shift_from = row.shift_to = row.change = row.change_sd = math.nan
    forced = x.k.forced[i]
    row.p = t.right / (t.right + t.wrong) if forced == 0 else 0.5 + 0.5 * forced
    if w.copy_of >= 0:
        row.p = 1.0 - COPY_RATE
    w.loo, w.loo_var = START_KG[0], START_KG[1] ** 2
    if t.known > 0.5 * t.pairs:
        calm = t.calm > 0.5 * t.known
        count = t.calm if calm else t.known
        row.mean = (t.calm_mean if calm else t.mean) / count
        variance = max((t.calm_square if calm else t.square) / count - row.mean**2, 1e-12)
        row.sd = interval_sd(variance, p.tail_share, p.tail_var * small(row.mean) ** 2)
        w.loo = row.mean
        w.loo_var = max(variance - w.noise * small(row.mean) ** 2, 1e-9)
    if t.levels > 0.0:
        row.level, row.trend = t.level / t.levels, t.trend / t.levels
        row.level_sd = math.sqrt(max(t.level_square / t.levels - row.level**2, 0.0))
        w.move = t.moved / t.levels
    x.accepted[i] = row.p >= p.accept and w.copy_of < 0
    x.reason[i] = OK if x.accepted[i] else name(row, x.k.errors, x.k.restored)


@jit
def prepare(x: Series, first: int, last: int, scale: float) -> None:
    """scale: of this person's variances, as the causal pass has learnt it."""
    p = x.k.p[0]
    x.k.p[0] = x.usual[0]
    p.scale, p.adapts = scale, 0.0
    for i in range(first, last):
        w, s = x.work[i - first], x.k.table[x.k.source[i]]
        w.factor, w.offset, extra = conditions(x.k.day[i], x.k.hour[i], p)
        w.offset += s.bias
        w.noise = (s.noise_var + extra) * p.scale
        w.move = 0.0


@jit
def conclude(x: Series, first: int, last: int) -> None:
    """Steps of the level, reasons of what is rejected, and what a person decided."""
    before, counted = math.nan, 0
    for i in range(first, last):
        row = x.out[i]
        if x.accepted[i]:
            counted += 1
            step = x.work[i - first].move > 0.5 and abs(row.level - before) > STEP_KG
            if step:
                row.shift_from, row.shift_to = before, row.level
            before = row.level
    for i in range(first, last):
        row = x.out[i]
        if counted == 1 and x.accepted[i]:
            row.mean = row.sd = math.nan
        if counted == 0:
            row.mean = row.sd = row.level = row.level_sd = row.trend = math.nan
        if x.accepted[i] or x.k.forced[i] != 0:
            row.suggested = row.p_reason = row.second = row.p_second = math.nan
        if x.k.forced[i] != 0:
            x.reason[i] = OVERRIDE
    name_rejected(x, first, last)


@jit
def smooth(x: Series, first: int, last: int, scale: float) -> None:
    """Judge one person's rows first:last; out, accepted hold the causal results."""
    mark_copies(x, first, last)
    prepare(x, first, last, scale)
    forwards(x, first, last)
    backwards(x, first, last)
    conclude(x, first, last)


@kernel(
    void(
        int64[::1],
        float64[::1],
        float64[::1],
        float64[::1],
        int64[::1],
        int8[::1],
        from_dtype(PROCESS)[::1],
        from_dtype(SOURCE)[::1],
        from_dtype(ROW)[::1],
        boolean[::1],
        int8[::1],
        float64[:, ::1],
        float64[::1],
    )
)
def smooth_kernel(
    indptr: Ints, day: Floats, hour: Floats, weight: Floats, source: Ints, forced: Codes,
    process: Records, table: Records, out: Records, accepted: Bools, reason: Codes, tally: Floats,
    scale: Floats,
) -> None:  # fmt: skip
    """All persons of a batch; out, accepted and reason hold the causal results and are revised.

    tally: (S, REASON_COUNT), to which the expected number of errors by source and reason is added.
    """
    longest = 0
    for u in range(len(indptr) - 1):
        longest = max(longest, indptr[u + 1] - indptr[u])
    k = make_beam(day, hour, weight, source, forced, process.copy(), table)
    x = Series(
        k, process, out, accepted, reason, np.zeros(longest, WORK), tally,
        np.empty(longest * COURSES, COURSE), np.zeros(longest + 1, np.int64),
        np.zeros((SIDES, SIDE_SIZE)), np.zeros((SIDES, SIDE_SIZE)), np.zeros(16), np.zeros(10),
        np.zeros(1, SUMS),
    )  # fmt: skip
    for u in range(len(indptr) - 1):
        if indptr[u + 1] > indptr[u]:
            smooth(x, indptr[u], indptr[u + 1], scale[u])
