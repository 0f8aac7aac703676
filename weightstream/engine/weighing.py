"""What a pair of courses, from before and from after, says of the reading between. Compiled.

Formulas: docs/judging.md, eq. 8-9.
"""

import math
from typing import Any

from weightstream.batch import Floats
from weightstream.engine.beam import SURE, TINY, UNSURPRISING, forget_errors
from weightstream.engine.compiled import inlined, jit
from weightstream.engine.course import raise_guest, raise_run, rate_factor
from weightstream.engine.densities import believed_noise, interval_sd, tail_share, valid_density
from weightstream.engine.filter import name
from weightstream.engine.mixture import (
    COPY_RATE,
    HIGHEST,
    LOWEST,
    OK,
    UNKNOWN,
    birth_density,
    explain,
    first_mean,
)
from weightstream.engine.process import scatter, small
from weightstream.engine.records import REASON_COUNT
from weightstream.engine.retro import (
    COVARIANCES,
    ORIGIN,
    SIDE_COURSE,
    SIDE_LEVEL,
    SIDE_MOVED,
    Series,
)

FULL, WEAK, EASY = range(3)
"""How a pair is weighed: whole; without its errors; only where nobody is surprised."""
DECIDED = 0.95
"""Probability from which on a verdict is certain enough for its courses alone to give the level."""


@inlined
def factor_of(x: Series, i: int, f: Floats, b: Floats) -> float:
    """How much oftener than its source's rate says reading i is wrong, by all other readings."""
    c, d = x.ahead[int(f[SIDE_COURSE])], x.k.courses[int(b[SIDE_COURSE])]
    return rate_factor(c.wrong + d.wrong, c.feared + d.feared, x.k.table[x.k.readings[i].source])


@jit
def distance(c: Any, day: float) -> float:
    """Days between a course's newest right reading and another time; infinite if it has none."""
    return math.inf if math.isnan(c.seen) else abs(day - c.seen)


@jit
def lone_level(x: Series, i: int, first: int) -> tuple[float, float]:
    """Level and its variance by reading i alone, as process.begin has them."""
    w, p, y = x.work[i - first], x.k.p[0], x.k.readings[i].weight
    level = (y - w.offset * small(y)) / w.factor
    water = p.water_var * p.scale * scatter(level) ** 2
    return level, (w.noise * scatter(y) ** 2 + water) / w.factor**2


@jit
def weigh_birth(
    x: Series, i: int, first: int, weight: float, f: Floats, b: Floats, often: float, prior: float
) -> None:
    """Add what a pair of sides says that knows no level: all other readings are errors.

    prior: probability that the reading is right before it is seen.
    """
    k, w, t = x.k, x.work[i - first], x.sums[0]
    t.pairs += weight
    right = prior * birth_density(k.readings[i].weight, k.p[0]) if prior > 0.0 else 0.0
    if k.readings[i].forced > 0:
        right = max(right, TINY)
    t.right += right
    if right > 0.0:
        level, variance = lone_level(x, i, first)
        add_right(t, right, level, variance, 0.0)
    t.wrong += weigh_errors(x, i, weight, first_mean(k.p[0]), UNKNOWN, f, b, often, w.copy_of >= 0)


@inlined
def gains(j: Floats, factor: float) -> tuple[float, float, float]:
    """Covariances of a reading with the level, the rate and the water of a joint state."""
    at = COVARIANCES
    r = factor * (j[at] + j[at + 1]) + j[at + 3]
    x = factor * (j[at + 1] + j[at + 4]) + j[at + 6]
    v = factor * (j[at + 2] + j[at + 5]) + j[at + 8]
    return r + x, v, factor * (j[at + 3] + j[at + 6]) + j[at + 9]


@inlined
def weigh_pair(
    x: Series, i: int, first: int, weight: float, f: Floats, b: Floats, how: int
) -> bool:
    """Add what a pair of sides, whose joint state stands in x.joint, says of reading i.

    how: EASY: only if the reading surprises nobody; WEAK: its errors are those of the likeliest
    pair, which cost the most to weigh. Returns whether it was added.
    """
    k, w, t, j = x.k, x.work[i - first], x.sums[0], x.joint
    p, s, y = k.p[0], k.table[k.readings[i].source], k.readings[i].weight
    possible = LOWEST <= y <= HIGHEST and k.readings[i].forced >= 0 and w.copy_of < 0
    often = factor_of(x, i, f, b)
    prior = weight * (1.0 - often * (1.0 - s.rate[OK]))
    if math.isnan(f[SIDE_LEVEL]) and math.isnan(b[SIDE_LEVEL]):
        weigh_birth(x, i, first, weight, f, b, often, prior if possible else 0.0)
        return True
    level = j[0] + j[1] + j[ORIGIN]
    size = scatter(level)
    noise, tail = w.noise * size * size, p.tail_var * size * size
    mean = w.factor * level + j[3] + w.offset * small(level)
    gain, rate_gain, water_gain = gains(j, w.factor)
    variance = w.factor * gain + water_gain + noise
    residual = y - mean
    if how == EASY and (residual * residual > UNSURPRISING * variance or variance > 9.0):
        return False
    c, d = x.ahead[int(f[SIDE_COURSE])], k.courses[int(b[SIDE_COURSE])]
    gap = min(distance(c, k.readings[i].day), distance(d, k.readings[i].day))
    density, usual = valid_density(residual, variance, tail_share(gap, k.readings[i].hour, p), tail)
    right = prior * density if possible else 0.0
    if k.readings[i].forced > 0:
        right = max(right, TINY * weight)
    wrong = weight * t.error
    if how != WEAK:
        wrong = weigh_errors(x, i, weight, mean, variance, f, b, often, w.copy_of >= 0)
    if how == EASY and wrong > SURE * right:
        forget_errors(k)
        t.likeliest = t.error = 0.0
        return False
    add_prediction(t, weight, mean, variance, f[SIDE_MOVED] + b[SIDE_MOVED] == 0.0)
    t.right += right
    t.wrong += wrong
    if f[SIDE_MOVED] > 0.0:
        t.moved += right + wrong
    if right == 0.0:
        residual = 0.0  # a value without measure would leave no number behind
    believed = variance - noise + believed_noise(noise, usual, tail)
    add_level(t, j, right, wrong, gain, rate_gain, residual, believed)
    return True


@inlined
def add_prediction(t: Any, weight: float, mean: float, variance: float, calm: bool) -> None:
    """Add a pair's prediction of the reading to the sums. calm: nothing moved on either side."""
    square = weight * (mean * mean + variance)
    t.pairs += weight
    t.known += weight
    t.mean += weight * mean
    t.square += square
    if calm:
        t.calm += weight
        t.calm_mean += weight * mean
        t.calm_square += square


@inlined
def add_level(
    t: Any, j: Floats, right: float, wrong: float, gain: float, rate_gain: float, residual: float,
    believed: float,
) -> None:  # fmt: skip
    """Add a pair's level and rate to the sums: with the reading if right, without it if wrong.

    gain, rate_gain: see gains. believed: variance of the prediction with the noise that counts.
    """
    level, spread = j[0] + j[1] + j[ORIGIN], j[COVARIANCES] + 2.0 * j[COVARIANCES + 1]
    spread += j[COVARIANCES + 4]
    after = level + gain * residual / believed
    narrow = max(spread - gain**2 / believed, 0.0)
    add_right(t, right, after, narrow, j[2] + rate_gain * residual / believed)
    t.levels += wrong
    t.level += wrong * level
    t.level_square += wrong * (level * level + spread)
    t.trend += wrong * j[2]


@inlined
def add_right(t: Any, right: float, level: float, variance: float, trend: float) -> None:
    """Add the level with a reading that is right to the sums."""
    square = right * (level * level + variance)
    t.levels += right
    t.level += right * level
    t.right_level += right * level
    t.level_square += square
    t.right_square += square
    t.trend += right * trend
    t.right_trend += right * trend


@jit
def weigh_errors(
    x: Series, i: int, weight: float, mean: float, variance: float, f: Floats, b: Floats,
    often: float, copy: bool,
) -> float:  # fmt: skip
    """Add the densities of errors at reading i to those of other pairs; returns the sum."""
    k = x.k
    if k.readings[i].forced > 0:
        return 0.0
    if k.readings[i].forced < 0 or copy:
        x.sums[0].error = 1.0
        return weight
    s, y = k.table[k.readings[i].source], k.readings[i].weight
    c, d = x.ahead[int(f[SIDE_COURSE])], k.courses[int(b[SIDE_COURSE])]
    wrong = often * explain(y, mean, variance, s, k.p[0], k.errors)
    for reason in range(1, REASON_COUNT):
        k.errors[reason].density *= often
    wrong += raise_run(c, s, often, k.errors) + raise_run(d, s, often, k.errors)
    wrong += raise_guest(c, y, s, k.errors) + raise_guest(d, y, s, k.errors)
    for reason in range(1, REASON_COUNT):
        own = weight * k.errors[reason].density
        k.marginals[reason].density += own
        if own > k.marginals[reason].likely:
            k.marginals[reason].likely = own
            k.marginals[reason].undone = k.errors[reason].undone
    wrong = max(wrong, TINY)
    if weight > x.sums[0].likeliest:
        x.sums[0].likeliest, x.sums[0].error = weight, wrong
    return weight * wrong


@jit
def write(x: Series, i: int, first: int) -> None:
    """Results of reading i from the sums."""
    row, w, t, p = x.out[i], x.work[i - first], x.sums[0], x.k.p[0]
    row.mean = row.sd = row.level = row.level_sd = row.trend = math.nan
    row.suggested = row.p_reason = row.second = row.p_second = math.nan
    row.shift_from = row.shift_to = row.change = row.change_sd = math.nan
    forced = x.k.readings[i].forced
    row.p = t.right / (t.right + t.wrong) if forced == 0 else 0.5 + 0.5 * forced
    if w.copy_of >= 0:
        row.p = 1.0 - COPY_RATE
    w.loo, w.loo_var = first_mean(p), UNKNOWN
    if t.known > 0.5 * t.pairs:
        calm = t.calm > 0.5 * t.known
        count = t.calm if calm else t.known
        row.mean = (t.calm_mean if calm else t.mean) / count
        variance = max((t.calm_square if calm else t.square) / count - row.mean**2, 1e-12)
        row.sd = interval_sd(variance, p.tail_share, p.tail_var * scatter(row.mean) ** 2)
        w.loo = row.mean
        w.loo_var = variance
    if t.levels > 0.0:
        # What is less probable than one in twenty lies outside a 95 % interval: the mean of 80 kg
        # and a faint 176 kg is nobody's level.
        count, level, square, trend = t.levels, t.level, t.level_square, t.trend
        if t.right > DECIDED * t.levels:
            count, level, square, trend = t.right, t.right_level, t.right_square, t.right_trend
        elif t.right < (1.0 - DECIDED) * t.levels:
            count, level = count - t.right, level - t.right_level
            square, trend = square - t.right_square, trend - t.right_trend
        row.level, row.trend = level / count, trend / count
        row.level_sd = math.sqrt(max(square / count - row.level**2, 0.0))
        w.move = t.moved / t.levels
    row.accepted = row.p >= p.accept and w.copy_of < 0
    if row.accepted and math.isnan(row.level):  # accepted by a person; no two courses meet here
        row.level, variance = lone_level(x, i, first)
        row.level_sd = math.sqrt(variance)
    row.reason = OK if row.accepted else name(row, x.k.marginals)
