"""What comes from one side of a reading: courses, and how two of them meet. Compiled.

Formulas: docs/judging.md, eq. 8-9.
"""

import math
from typing import Any

from weightstream.batch import Floats
from weightstream.engine.beam import PRUNED
from weightstream.engine.compiled import inlined, jit
from weightstream.engine.course import RESTLESS_DAYS, error_evidence, joint_evidence, restless_rate
from weightstream.engine.densities import MOVE_SHARE, leap_sd, move_rates
from weightstream.engine.mixture import birth_density
from weightstream.engine.pairs import invert, join, put_course, widen
from weightstream.engine.process import spell_variance
from weightstream.engine.retro import (
    COVARIANCES,
    LOGDET,
    MEANS,
    ORIGIN,
    PRECISIONS,
    SIDE_COURSE,
    SIDE_ERRORS,
    SIDE_LEAP,
    SIDE_LEVEL,
    SIDE_LOG,
    SIDE_MOVED,
    SIDE_RESTLESS,
    SIDE_VAR,
    SIDE_WEIGHT,
    Series,
)

ROUGHLY = math.log(1000.0)
"""Log of how much more than their weights two sides may come to by meeting."""
MOST_LIKELIER = 20.0
"""Log of the largest such ratio."""
NO_BODY = 1e-12
"""Density of first readings where no body is."""


@jit
def lay_out(x: Series, sides: Floats, c: Any, at: int, number: int, i: int, sign: float) -> int:
    """A course at reading i as sides: as it is, in another regime, moved, and leapt.

    Returns the number of sides.
    """
    side = sides[at]
    side[SIDE_COURSE], side[SIDE_MOVED] = number, 0.0
    side[SIDE_RESTLESS], side[SIDE_WEIGHT] = c.restless, c.weight
    side[SIDE_LEVEL], side[SIDE_LEAP] = math.nan, 0.0
    side[SIDE_ERRORS] = error_evidence(c.wrong, c.feared, x.k.table[x.k.readings[i].source])
    if math.isnan(c.seen):
        return at + 1
    put_course(side, c, sign, x.joint[ORIGIN], x.scratch)
    if math.isnan(side[LOGDET]):
        return at
    level = c.r + c.x
    gap = abs(x.k.readings[i].day - c.seen)
    moving, leaping = move_rates(gap, x.k.p[0])
    # The beam on either side may have dropped the regime of the other.
    turning = max(restless_rate(c, x.k.readings[i].day, x.k.p[0]), PRUNED)
    side[SIDE_WEIGHT] = c.weight * (1.0 - moving - leaping) * (1.0 - turning)
    new = sides[at + 1]
    widen(new, side, spell_variance(level, gap) if c.restless == 0.0 else 0.0)
    new[SIDE_WEIGHT], new[SIDE_MOVED] = c.weight * turning, 1.0
    new[SIDE_RESTLESS] = 1.0 - c.restless
    if gap == 0.0:
        return at + 2
    new = sides[at + 2]
    widen(new, side, (MOVE_SHARE * level) ** 2)
    new[SIDE_WEIGHT], new[SIDE_MOVED] = c.weight * moving, 1.0
    new = sides[at + 3]
    widen(new, side, leap_sd(level, gap) ** 2)
    new[SIDE_LEAP] = leap_sd(level, gap) ** 2
    new[SIDE_WEIGHT], new[SIDE_MOVED] = c.weight * leaping, 1.0
    return at + 4


@inlined
def lone_side(x: Series, sides: Floats, c: Any, number: int, sign: float) -> int:
    """A lone calm course as one side; returns 1, or 0 where it has to be laid out."""
    if math.isnan(c.seen) or c.restless == 1.0:
        return 0
    side = sides[0]
    side[SIDE_COURSE], side[SIDE_MOVED], side[SIDE_RESTLESS] = number, 0.0, 0.0
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


@inlined
def leap_between(f: Floats, b: Floats) -> float:
    """Log ratio of a leap's density between two sides to the one that the widened side implies.

    The side is widened by a leap from its own level; a leap is that of the mean of both (between).
    """
    leap = f[SIDE_LEAP] + b[SIDE_LEAP]
    ratio = b[SIDE_LEVEL] / f[SIDE_LEVEL] if f[SIDE_LEAP] > 0.0 else f[SIDE_LEVEL] / b[SIDE_LEVEL]
    if leap == 0.0 or ratio <= 0.0 or f[SIDE_LEAP] * b[SIDE_LEAP] > 0.0:
        return 0.0
    widened = f[SIDE_VAR] + b[SIDE_VAR]
    variance = widened + leap * (ratio - 1.0)
    off = f[SIDE_LEVEL] - b[SIDE_LEVEL]
    exponent = 0.5 * off * off * (1.0 / widened - 1.0 / variance)
    return min(max(exponent, -300.0), MOST_LIKELIER) + 0.5 * math.log(widened / variance)


@inlined
def roughly(f: Floats, b: Floats) -> float:
    """No less than about the log weight with which two sides meet, by their levels alone."""
    weight = f[SIDE_LOG] + b[SIDE_LOG]
    if math.isnan(f[SIDE_LEVEL]) or math.isnan(b[SIDE_LEVEL]):
        return ROUGHLY + weight
    if f[SIDE_RESTLESS] != b[SIDE_RESTLESS]:
        return -math.inf
    off = f[SIDE_LEVEL] - b[SIDE_LEVEL]
    apart = 0.5 * off * off / (f[SIDE_VAR] + b[SIDE_VAR])
    return ROUGHLY + weight + leap_between(f, b) - min(apart, 300.0)


@inlined
def prior_of(restless: float, p: Any) -> float:
    """Share of time in a regime."""
    share = p.restless_per_day * RESTLESS_DAYS
    return share if restless == 1.0 else 1.0 - share


@jit
def errors_of_both(x: Series, i: int, f: Floats, b: Floats, level: float) -> float:
    """How much likelier the errors of two sides are together than each by itself."""
    c, d = x.ahead[int(f[SIDE_COURSE])], x.k.courses[int(b[SIDE_COURSE])]
    s = x.k.table[x.k.readings[i].source]
    return joint_evidence(c, d, level, s) / (f[SIDE_ERRORS] * b[SIDE_ERRORS])


@inlined
def meet(x: Series, i: int, f: Floats, b: Floats) -> float:
    """Joint state of two sides of reading i into x.joint, and the weight with which they meet."""
    weight = f[SIDE_WEIGHT] * b[SIDE_WEIGHT]
    before, after = not math.isnan(f[SIDE_LEVEL]), not math.isnan(b[SIDE_LEVEL])
    if not (before and after):
        if before or after:
            one = f if before else b
            for at in range(4):
                x.joint[MEANS + at] = one[MEANS + at]
            invert(one, PRECISIONS, x.joint, COVARIANCES)
            return weight * errors_of_both(x, i, f, b, one[SIDE_LEVEL])
        return weight * errors_of_both(x, i, f, b, math.nan)
    if f[SIDE_RESTLESS] != b[SIDE_RESTLESS]:
        return 0.0
    p = x.k.p[0]
    density = join(f, b, p, x.joint, x.scratch)
    level = x.joint[0] + x.joint[1] + x.joint[ORIGIN]
    if math.isnan(density):
        return 0.0
    # However far apart two sides are, some pair has to be the likeliest.
    prior = prior_of(f[SIDE_RESTLESS], p) * max(birth_density(level, p), NO_BODY)
    weight *= errors_of_both(x, i, f, b, level) / prior
    return weight * math.exp(max(density, -300.0) + leap_between(f, b))
