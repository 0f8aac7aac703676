"""Competing courses of one person: a Gaussian mixture with a bounded number of parts. Compiled.

Each reading is right, right after a move, right in another regime, or an error of some kind, on
each course; the likeliest continuations are kept, those alike merged (docs/judging.md, eq. 4-7).
Weights are probabilities and add up to 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from weightstream.engine.compiled import inlined, jit, shared
from weightstream.engine.course import (
    KNOWN,
    MOVED,
    SCATTER_READINGS,
    TURNED,
    VALID,
    WRONG,
    alive,
    label_noise,
    label_offset,
    learn_scatter,
    like,
    merge,
    move_variance,
    needless,
    noise_of,
    raise_guest,
    raise_run,
    rate_factor,
    remember,
    restless_rate,
    turn,
)
from weightstream.engine.densities import (
    MOVE_SHARE,
    believed_noise,
    between,
    interval_sd,
    leap_sd,
    move_rates,
    tail_share,
    valid_density,
)
from weightstream.engine.mixture import (
    HIGHEST,
    HUNDREDS_OFF,
    LOWEST,
    OK,
    OUTLIER,
    OVERRIDE,
    UNKNOWN,
    birth_density,
    explain,
    first_mean,
    likeliest,
    most_undone,
    normal,
    slope_of,
)
from weightstream.engine.process import (
    advance,
    begin,
    conditions,
    scatter,
    small,
    spell_variance,
    spread,
    update,
)
from weightstream.engine.records import COURSE, ERROR, KID, REASON_COUNT, Records

COURSES = 8
"""The largest number of courses."""
PRUNED = 1e-6
"""Courses below this share of the likeliest are dropped; sooner if they are needless."""
SURE = 0.01
"""Odds of an error below which an unsurprising reading has one continuation."""
TINY = 1e-250
"""The smallest density of a reading, so that some course always remains."""
CERTAIN = 0.5
"""If one error that can be undone has at least this share of the errors' probability, the undone
value is used."""
SPLIT = 0.01
"""A continuation below this share of the usual one is not followed."""
UNSURPRISING = 5.0
"""Squared SDs."""


class Beam(NamedTuple):
    """What the step of the mixture reads and writes.

    Few arrays, since each call of a compiled function copies seven numbers for each of them.

    readings: (N,) of READING. p: (1,) of PROCESS. table: (S,) of SOURCE. courses, spare: (COURSES,)
    of COURSE. kids: of KID, the continuations of all courses. errors, marginals: (REASON_COUNT,) of
    ERROR, on one course and on all.
    """

    readings: Records
    p: Records
    table: Records
    courses: Records
    spare: Records
    kids: Records
    errors: Records
    marginals: Records


@jit
def start_beam(k: Beam, day: float) -> int:
    """Return a course without information."""
    c = k.courses[0]
    c.weight, c.day, c.seen = 1.0, day, math.nan
    c.scale, c.told = k.p[0].scale, SCATTER_READINGS
    c.wrong = c.feared = 0.0
    c.label = 1.0
    c.r = c.x = c.v = c.w = c.rr = c.rx = c.rv = c.rw = 0.0
    c.xx = c.xv = c.xw = c.vv = c.vw = c.ww = 0.0
    c.restless = c.right = c.fault = c.run = c.guest = c.visits = c.last = 0.0
    c.fault_source = -1.0
    c.rights = c.moves = c.spells = 0
    return 1


@inlined
def advance_all(k: Beam, n: int, day: float) -> None:
    p = k.p[0]
    p.age = day - p.born
    for a in range(n):
        advance(k.courses[a], day, p)


@inlined
def proceed(k: Beam, c: Any, i: int, what: int, kind: int, y: float) -> None:
    """Move a course, already at reading i's time, past the reading.

    y: what the source should have said: the reading, or the undone value of an error whose cause
    is beyond doubt, from which a course learns as much; NaN: nothing is learnt.
    """
    p, s = k.p[0], k.table[k.readings[i].source]
    if not math.isnan(y):
        factor, offset, extra = conditions(k.readings[i].day, k.readings[i].hour, s, p)
        offset += s.bias
        if what != WRONG:
            c.label = 1.0
        elif math.isnan(c.seen) or (alive(c, s) and c.fault == kind):
            c.label = label_noise(k.readings[i].weight, y, kind)
            offset *= label_offset(slope_of(kind), y)
        noise = noise_of(c, s, extra)
        if math.isnan(c.seen):
            begin(c, k.readings[i].day, y - offset * small(y), factor, noise * scatter(y) ** 2, p)
        else:
            level = c.r + c.x
            size = scatter(level)
            noise *= size * size
            tail = p.tail_var * size * size
            if what == TURNED:
                turn(c, k.readings[i].day)
            residual = y - factor * level - c.w - offset * small(level)
            variance = spread(c, factor) + noise
            if what == MOVED:
                extra = move_variance(residual, variance, level, abs(k.readings[i].day - c.seen), p)
                c.rr += extra
                variance += factor * factor * extra
            elif what != TURNED and c.restless == 0.0:
                learn_scatter(c, residual, variance, p)
            share = tail_share(abs(k.readings[i].day - c.seen), k.readings[i].hour, p)
            usual = valid_density(residual, variance, share, tail)[1]
            update(c, residual, variance - noise + believed_noise(noise, usual, tail), factor)
            c.seen = k.readings[i].day
    remember(c, what, kind, k.readings[i].weight, s)


@inlined
def mean_in_run(k: Beam, c: Any, i: int, mean: float) -> float:
    """Mean of reading i's right value on a course whose run of mislabelled readings may go on."""
    p, s = k.p[0], k.table[k.readings[i].source]
    slope = slope_of(int(c.fault))
    if slope == 1.0 or math.isnan(c.seen) or not alive(c, s):
        return mean
    _, offset, _ = conditions(k.readings[i].day, k.readings[i].hour, s, p)
    level = c.r + c.x
    return mean + (offset + s.bias) * small(level) * (label_offset(slope, level) - 1.0)


@inlined
def add_kid(k: Beam, m: int, weight: float, of: int, what: int, kind: int, value: float) -> int:
    if weight <= 0.0:
        return m
    k.kids[m].weight, k.kids[m].of, k.kids[m].what = weight, of, what
    k.kids[m].kind, k.kids[m].value = kind, value
    return m + 1


@inlined
def in_other_regime(c: Any, level: float, gap: float, variance: float, least: float) -> float:
    """Variance of a prediction if a course were restless instead of calm, or calm instead."""
    if c.restless == 1.0:
        return max(variance - spell_variance(level, gap), least)
    return variance + spell_variance(level, gap)


@inlined
def weigh_right(k: Beam, a: int, i: int, m: int, often: float) -> tuple[int, float, float, float]:
    """Continuations of course a in which reading i is right: weights into kids.

    Returns how many continuations there are now, mean and variance of the reading's prediction,
    and the summed weight.
    """
    p, s, y, c = k.p[0], k.table[k.readings[i].source], k.readings[i].weight, k.courses[a]
    prior = c.weight * (1.0 - often * (1.0 - s.rate[OK]))
    possible = LOWEST <= y <= HIGHEST and k.readings[i].forced >= 0
    if math.isnan(c.seen):
        weight = prior * birth_density(y, p) if possible else 0.0
        weight = max(weight, TINY) if k.readings[i].forced > 0 else weight
        return add_kid(k, m, weight, a, VALID, OK, y), first_mean(p), UNKNOWN, weight
    factor, offset, extra = conditions(k.readings[i].day, k.readings[i].hour, s, p)
    level = c.r + c.x
    size = scatter(level)
    noise, tail = noise_of(c, s, extra) * size * size, p.tail_var * size * size
    mean = factor * level + c.w + (offset + s.bias) * small(level)
    variance = spread(c, factor) + noise
    if not possible and k.readings[i].forced <= 0:
        return m, mean, variance, 0.0
    residual = y - mean
    gap = abs(k.readings[i].day - c.seen)
    moving, leaping = move_rates(gap, p)
    turning = restless_rate(c, k.readings[i].day, p)
    stay = prior * (1.0 - moving - leaping) * (1.0 - turning)
    share = tail_share(gap, k.readings[i].hour, p)
    stay *= valid_density(residual, variance, share, tail)[0]
    move = moving * normal(residual, variance + (MOVE_SHARE * level) ** 2)
    move += leaping * normal(residual, variance + leap_sd(between(level, y), gap) ** 2)
    move *= prior
    other = in_other_regime(c, level, gap, variance, noise)
    change = prior * turning * valid_density(residual, other, share, tail)[0]
    if k.readings[i].forced > 0:
        stay = max(stay, TINY)
    least = SPLIT * stay if c.right >= KNOWN else 0.0
    # What is not followed counts for this course, or courses of other levels would gain by it.
    usual = stay + (move if move <= least else 0.0) + (change if change <= least else 0.0)
    m = add_kid(k, m, usual, a, VALID, OK, y)
    if move > least:
        m = add_kid(k, m, move, a, MOVED, OK, y)
    if change > least:
        m = add_kid(k, m, change, a, TURNED, OK, y)
    return m, mean, variance, stay + move + change


@jit
def weigh_wrong(
    k: Beam, a: int, i: int, m: int, often: float, mean: float, variance: float
) -> tuple[int, float]:
    """The continuation of course a in which reading i is an error; its weight."""
    s, y, c = k.table[k.readings[i].source], k.readings[i].weight, k.courses[a]
    if k.readings[i].forced > 0:
        return m, 0.0
    if k.readings[i].forced < 0:
        return add_kid(k, m, c.weight, a, WRONG, OVERRIDE, math.nan), c.weight
    wrong = often * explain(y, mean, variance, s, k.p[0], k.errors)
    for reason in range(1, REASON_COUNT):
        k.errors[reason].density *= often
    wrong += raise_run(c, s, often, k.errors) + raise_guest(c, y, s, k.errors)
    wrong = max(wrong, TINY)
    kind = likeliest(k.errors)
    for reason in range(1, REASON_COUNT):
        weight = c.weight * k.errors[reason].density
        k.marginals[reason].density += weight
        if weight > k.marginals[reason].likely:
            k.marginals[reason].likely = weight
            k.marginals[reason].undone = k.errors[reason].undone
    if math.isnan(c.seen):  # the undone value may be all that is known of the person
        best = most_undone(k.errors)
        own = c.weight * k.errors[best].density
        m = add_kid(k, m, own, a, WRONG, best, k.errors[best].undone)
        kind = kind if kind != best else OUTLIER
        return add_kid(k, m, c.weight * wrong - own, a, WRONG, kind, math.nan), c.weight * wrong
    sure = kind <= HUNDREDS_OFF and k.errors[kind].density > CERTAIN * wrong
    value = k.errors[kind].undone if sure else math.nan
    return add_kid(k, m, c.weight * wrong, a, WRONG, kind, value), c.weight * wrong


@jit
def forget_errors(k: Beam) -> None:
    """Empty the sums of the errors that a reading may be."""
    for reason in range(REASON_COUNT):
        k.marginals[reason].density = k.marginals[reason].likely = 0.0
        k.marginals[reason].undone = math.nan


@jit
def branch(k: Beam, i: int, n: int) -> tuple[int, float, float, float, float]:
    """Move n courses, already at reading i's time, past it.

    Returns how many there are now, the probability that the reading is right, mean and SD of its
    prediction (NaN: none), and its log density. marginals: of the errors that it may be.
    """
    forget_errors(k)
    p = k.p[0]
    m, right, wrong = 0, 0.0, 0.0
    known, first, second = 0.0, 0.0, 0.0
    for a in range(n):
        c = k.courses[a]
        often = rate_factor(c.wrong, c.feared, k.table[k.readings[i].source])
        usual = m
        m, mean, variance, weight = weigh_right(k, a, i, m, often)
        right += weight
        m, error = weigh_wrong(k, a, i, m, often, mean_in_run(k, c, i, mean), variance)
        wrong += error
        if c.right >= KNOWN and 0.0 < error < SPLIT * weight:
            m -= 1  # not followed
            k.kids[usual].weight += error
        if not math.isnan(c.seen):
            known += c.weight
            first += c.weight * mean
            second += c.weight * (variance + mean * mean)
    mean = first / known if known > 0.0 else math.nan
    sd = math.nan
    if known > 0.0:
        tail = p.tail_var * scatter(mean) ** 2
        spread_of = max(second / known - mean * mean, 1e-12)
        sd = interval_sd(spread_of, p.tail_share, tail)
    evidence = math.log(right + wrong) if right + wrong > 0.0 else -1e3
    return choose(k, i, m), right / (right + wrong), mean, sd, evidence


@jit
def choose(k: Beam, i: int, m: int) -> int:
    """Keep the likeliest of m continuations as the courses; returns how many."""
    count, total, most, least = 0, 0.0, 0.0, 0.0
    while count < COURSES:
        best = -1
        for kid in range(m):
            if k.kids[kid].weight > 0.0 and (best < 0 or k.kids[kid].weight > k.kids[best].weight):
                best = kid
        if best < 0 or k.kids[best].weight < least:
            break
        most = max(most, k.kids[best].weight)
        # Before a person is known, what is unlikely now may yet be the start.
        if k.courses[k.kids[best].of].right >= KNOWN:
            least = PRUNED * most
        c = k.spare[count]
        k.spare[count] = k.courses[k.kids[best].of]
        c.weight = k.kids[best].weight
        k.kids[best].weight = 0.0
        proceed(k, c, i, k.kids[best].what, k.kids[best].kind, k.kids[best].value)
        count = merge_last(k, count + 1)
        if least > 0.0 and count > 1 and needless(k.spare[0], k.spare[count - 1]):
            count -= 1
            k.spare[0].weight += k.spare[count].weight
    for a in range(count):
        total += k.spare[a].weight
    for a in range(count):
        k.courses[a] = k.spare[a]
        k.courses[a].weight = k.spare[a].weight / total
    return count


@inlined
def merge_last(k: Beam, count: int) -> int:
    """Merge the last course into a likelier one that it is like; returns how many are left."""
    c = k.spare[count - 1]
    for a in range(count - 1):
        if like(k.spare[a], c):
            merge(k.spare[a], c)
            return count - 1
    return count


@shared
def make_beam(readings: Records, p: Records, table: Records) -> Beam:
    """A beam over readings, with its scratch."""
    return Beam(
        readings, p, table, np.zeros(COURSES, COURSE), np.zeros(COURSES, COURSE),
        np.zeros(5 * COURSES, KID), np.zeros(REASON_COUNT, ERROR), np.zeros(REASON_COUNT, ERROR),
    )  # fmt: skip
