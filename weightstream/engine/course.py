"""The memory of one course: errors, co-user, scatter. Compiled.

A course is one answer to what each reading so far was (docs/judging.md, eq. 6-7).
"""

import math
from typing import Any

from weightstream.engine.compiled import jit
from weightstream.engine.densities import MOVE_SHARE, between, leap_sd, move_rates
from weightstream.engine.mixture import (
    HUNDREDS_OFF,
    OK,
    OTHER_PERSON,
    OUTLIER,
    OVERRIDE,
    normal,
    of_stranger,
    slope_of,
    unexplained,
)
from weightstream.engine.process import RESTLESS_MOST_DAYS, scatter, small, spell_variance
from weightstream.engine.records import Records

SCATTER_READINGS, SCATTER_CUT = 6.0, 9.0
"""Prior weight of a person's scatter, in readings; cap of one reading's z²."""
ERRORS, MESSY_ERRORS = 0.5, 1.0
"""A stream's own rate of errors is known from so many errors: in a usual stream, in a messy one."""
MESSY, MESSY_RATE = 0.3, 0.15
"""Share of a source's errors that stand in messy streams, and the rate of errors in these."""
RESTLESS_DAYS = 12.0
"""Mean length of a spell."""
GUEST_SD_KG = 2.0
"""How far two readings of one co-user are apart."""
GUEST_FIRST, GUEST_READINGS = 0.5, 5.0
"""A co-user's share of readings is (visits + 0.5) / (readings + 5)."""
GUEST_MEMORY = 0.2
"""Weight of the newest reading in a co-user's level, at least."""
ALIKE = 0.1
"""Squared SDs of the level within which two courses are one."""
ALIKE_WIDTH = 1.5
PRUNED_NEAR, NEAR_SHARE = 3e-3, 0.03
"""A course below this share of the likeliest is needless if its level is within this share."""
RUNS_ON = 0.1
"""Probability that one error of a kind is followed by another of the kind; n of them by n : 1."""
GUEST_SOURCES = 0.3
"""Share of errors that are another person on a scale that others use too; where it is less, they
come again less often by its square."""
PERHAPS = 0.25
"""How much of a visit an error without a name is."""
GUEST_MOST = 0.5
"""A co-user's share at most: who is there more often is the person."""
KNOWN = 3.0
"""Right readings from which on a person's course is known."""
UNKNOWN_RUN = 0.6
"""Factor on it while fewer are right: one or two valid readings do not make errors of all others.
If none was right yet, the series may have begun with a run."""
GUEST_APART = 0.08
"""A co-user must differ from the person by about this share of the weight."""
UNNAMED_RUN = 0.3
"""How much less errors without a name run on than those with one."""
LEAST_RATE = 1e-4
"""At a lower rate of errors the evidence of many would overflow."""
COUNTED = 30
"""Errors from which on there is nothing more to tell of a stream's kind."""
RATE_MOST = 0.5
"""No stream's rate of errors is more, but for runs."""

VALID, MOVED, TURNED, WRONG = range(4)


@jit
def persistence(run: float) -> float:
    """Probability that a run of errors of one kind goes on."""
    return RUNS_ON if run == 1.0 else run / (run + 1.0)


@jit
def alive(c: Any, s: Any) -> bool:
    """Whether a course's run of errors may go on with a reading of this source."""
    return c.fault > 0.0 and (c.fault_source == s.key or c.last == 0.0)


@jit
def going_on(c: Any, s: Any) -> float:
    """Probability that the run of errors of a course goes on; 0 where there is none."""
    if not alive(c, s):
        return 0.0
    on = persistence(c.run)
    if 0.0 < c.right < KNOWN:
        on *= UNKNOWN_RUN
    return UNNAMED_RUN * on if c.fault > HUNDREDS_OFF else on


@jit
def kinds_of_streams(rate: float) -> tuple[float, float, float]:
    """Share of messy streams at a source's rate of errors, and the inverse scales of the gamma
    distributions of usual and of messy streams' own factors on it. Their mean together is 1."""
    messy = min(MESSY * rate / MESSY_RATE, MESSY)
    return messy, ERRORS * (1.0 - messy) / (1.0 - MESSY), MESSY_ERRORS * messy / MESSY


@jit
def rate_factor(wrong: float, feared: float, s: Any) -> float:
    """How much oftener this person's readings are wrong than the source's rate says (eq. 6).

    The mean, given `wrong` errors where `feared` were expected, of a mixture of two gamma
    distributions, of usual streams and of messy ones.
    """
    rate = 1.0 - s.rate[OK]
    messy, b, d = kinds_of_streams(rate)
    usual = (ERRORS + wrong) / (b + feared)
    if messy <= 0.0:
        return usual
    # Γ(1/2 + n)/Γ(1/2) and Γ(1 + n)/Γ(1) by their products: n is small
    odds = messy / (1.0 - messy) * d / (d + feared) * math.sqrt(1.0 + feared / b)
    ratio = (b + feared) / (d + feared)
    for n in range(min(int(wrong), COUNTED)):
        odds *= ratio * (MESSY_ERRORS + n) / (ERRORS + n)
    share = 1.0 - 1.0 / (1.0 + odds)  # odds may overflow
    return min(usual + share * ((MESSY_ERRORS + wrong) / (d + feared) - usual), RATE_MOST / rate)


@jit
def error_evidence(wrong: float, feared: float, s: Any) -> float:
    """Density of so many errors where `feared` were expected, over that of a stream that errs as
    often as its source: under the mixture of rate_factor, which is its growth with one more error.
    """
    messy, b, d = kinds_of_streams(max(1.0 - s.rate[OK], LEAST_RATE))
    usual = (1.0 - messy) * math.sqrt(b / (b + feared))  # ERRORS is 1/2, MESSY_ERRORS 1
    own = messy * d / (d + feared)
    for n in range(min(int(wrong), COUNTED)):
        usual *= (ERRORS + n) / (b + feared)
        own *= (MESSY_ERRORS + n) / (d + feared)
    return usual + own


@jit
def raise_run(c: Any, s: Any, factor: float, errors: Records) -> float:
    """Raise the density of the kind of error that goes on; returns the rise."""
    on = going_on(c, s)
    kind = int(c.fault)
    if on == 0.0 or s.rate[kind] <= 0.0:
        return 0.0
    on *= 1.0 - factor * (1.0 - s.rate[OK])  # in a run, too, a reading may be another error
    rise = on * errors[kind].density / (factor * s.rate[kind])
    errors[kind].density += rise
    return rise


@jit
def differs(weight: float, level: float) -> float:
    """How surely a co-user of this weight can be told from a person of this level."""
    return -math.expm1(-(((weight - level) / (GUEST_APART * max(level, 1.0))) ** 4))


@jit
def guest_share(visits: float, own: float, s: Any) -> float:
    """A co-user's share of the readings, after some visits and readings of the person's own.

    In a run of errors of a kind, too, it was the person who stood there.
    """
    share = min((visits + GUEST_FIRST) / (visits + own + GUEST_READINGS), GUEST_MOST)
    others = s.rate[OTHER_PERSON] / (GUEST_SOURCES * (1.0 - s.rate[OK]))
    return share * min(others * others, 1.0)


@jit
def raise_guest(c: Any, w: float, s: Any, errors: Records) -> float:
    """Raise the density of another person by that of a co-user who was there; returns the rise.

    errors: of reading w.
    """
    if c.visits == 0.0:
        return 0.0
    share = guest_share(c.visits, c.right + c.run, s)
    if not math.isnan(c.seen):
        share *= differs(c.guest, c.r + c.x)
        own_label = errors[int(c.fault)].undone  # in a run the person shows another weight
        if alive(c, s) and not math.isnan(own_label):
            share *= differs(own_label, c.r + c.x)
    rise = min(c.visits, 1.0) * share * normal(w - c.guest, GUEST_SD_KG**2)
    errors[OTHER_PERSON].density += rise
    return rise


@jit
def restless_rate(c: Any, day: float, p: Any) -> float:
    """Probability that a course changes between calm and restless over its last gap."""
    gap = abs(day - c.seen)
    if c.restless == 1.0:
        return -math.expm1(-gap / RESTLESS_DAYS)
    return min(gap, RESTLESS_MOST_DAYS) * p.restless_per_day


@jit
def joint_evidence(c: Any, d: Any, level: float, s: Any) -> float:
    """Evidence of the errors of two courses of one stream, one from each end of it.

    Errors on both speak of a messy stream. And where a co-user came on both, it may be one person,
    whose first visit each course by itself took for a stranger's or an error. level: NaN if neither
    has one.
    """
    wrong, feared = c.wrong + d.wrong, c.feared + d.feared
    evidence = error_evidence(wrong, feared, s)
    if c.visits == 0.0 or d.visits == 0.0 or math.isnan(level):
        return evidence
    apart = s.rate[OTHER_PERSON] * of_stranger(d.guest)
    apart += s.rate[OUTLIER] * unexplained(d.guest, level)
    if s.rate[OTHER_PERSON] == 0.0 or apart == 0.0:  # as configured, or of a guest beyond measure
        return evidence
    share = guest_share(max(c.visits, d.visits), c.right + c.run + d.right + d.run, s)
    share *= min(max(c.visits, d.visits), 1.0) * differs(c.guest, level)
    one = share * normal(c.guest - d.guest, GUEST_SD_KG**2) / apart
    return evidence + one * error_evidence(max(wrong - 1.0, 0.0), feared, s)


@jit
def greet(c: Any, weight: float, visit: float) -> bool:
    """Remember who may be a co-user; says whether they were there before.

    One who came once makes room for the next; one who comes again stays.
    """
    again = c.visits > 0.0 and abs(weight - c.guest) <= 4.0 * GUEST_SD_KG
    if again:
        c.visits += visit
        c.guest += max(visit / c.visits, GUEST_MEMORY) * (weight - c.guest)
    elif c.visits <= 1.0:
        c.guest, c.visits = weight, visit
    return again


@jit
def remember(c: Any, what: int, kind: int, weight: float, s: Any) -> None:
    """Update a course's memory with the outcome of a reading."""
    right = what != WRONG
    c.rights = (c.rights << 1) | (1 if right else 0)
    c.moves = (c.moves << 1) | (1 if what == MOVED else 0)
    c.spells = (c.spells << 1) | (1 if c.restless == 1.0 else 0)
    if kind == OVERRIDE:
        return  # a reading that a reviewer rejects is no evidence
    c.feared += 1.0 - s.rate[OK]
    if right:
        c.right += 1.0
        if c.fault_source == s.key or c.last == 0.0:
            c.fault = 0.0
    elif kind <= HUNDREDS_OFF or kind == OUTLIER:
        goes_on = c.fault == kind and alive(c, s)
        c.run = c.run + 1.0 if goes_on else 1.0
        c.wrong += 0.0 if goes_on else 1.0
        c.fault, c.fault_source = float(kind), s.key
        if kind == OUTLIER:  # it may have been somebody's first visit
            greet(c, weight, PERHAPS)
    elif kind != OTHER_PERSON or not greet(c, weight, 1.0):
        c.wrong += 1.0
    c.last = 1.0 if right else 0.0


@jit
def move_variance(residual: float, variance: float, level: float, gap: float, p: Any) -> float:
    """Variance of the move that a residual speaks of: a move's and a leap's, by their odds."""
    moving, leaping = move_rates(gap, p)
    a, b = (MOVE_SHARE * level) ** 2, leap_sd(between(level, level + residual), gap) ** 2
    move, leap = moving * normal(residual, variance + a), leaping * normal(residual, variance + b)
    return (move * a + leap * b) / (move + leap) if move + leap > 0.0 else b


@jit
def learn_scatter(c: Any, residual: float, variance: float, p: Any) -> None:
    """Learn how much this person scatters, against others, from one usual reading."""
    if p.adapts == 1.0:
        c.scale *= (c.told + min(residual * residual / variance, SCATTER_CUT)) / (c.told + 1.0)
        c.told += 1.0


@jit
def noise_of(c: Any, s: Any, extra: float) -> float:
    """Variance of noise of a reading of a source, at a body of process.scatter 1."""
    return (s.noise_var + extra) * c.scale * c.label


@jit
def label_offset(slope: float, level: float) -> float:
    """Factor on a reading's offset in a run of errors that show `slope` times the right value.

    With it, readings with an offset (evening, clothes) show the same one as a body of these numbers
    would: a person's own habits say nothing of the label.
    """
    return small(slope * level) / (slope * small(level))


@jit
def label_noise(shown: float, undone: float, kind: int) -> float:
    """Factor on noise and movement in a run of errors of a kind that can be undone.

    In the numbers shown the body behind it scatters less, or more, than a body of these numbers
    would, and a smooth series, or a rough one, would seem mislabelled. With it, agreement says
    nothing of the label: exactly so in the other unit, in which whole series are given.
    """
    slope = 1.0 if kind == HUNDREDS_OFF else shown / undone
    factor = (scatter(shown) / (slope * scatter(undone))) ** 2
    return factor if slope_of(kind) != 1.0 else max(1.0, factor)


@jit
def turn(c: Any, day: float) -> None:
    """Change a course between calm and restless; a new spell began with the gap."""
    if c.restless == 1.0:
        c.restless = 0.0
        return
    c.restless = 1.0
    c.rr += spell_variance(c.r + c.x, abs(day - c.seen))


@jit
def like(a: Any, b: Any) -> bool:
    """Return whether two courses are similar enough to merge."""
    if a.restless != b.restless or math.isnan(a.seen) or math.isnan(b.seen):
        return False
    if a.fault != b.fault and b.weight > 0.05 * a.weight:
        return False
    off = a.r + a.x - b.r - b.x
    one, two = a.rr + 2.0 * a.rx + a.xx, b.rr + 2.0 * b.rx + b.xx
    near = off * off <= ALIKE * min(one, two)
    return near and one <= ALIKE_WIDTH * two and two <= ALIKE_WIDTH * one


@jit
def needless(top: Any, c: Any) -> bool:
    """Return whether a faint course has nearly the level of the likeliest."""
    if math.isnan(c.seen) or c.weight >= PRUNED_NEAR * top.weight:
        return False
    return abs(c.r + c.x - top.r - top.x) < NEAR_SHARE * (top.r + top.x)


@jit
def merge(a: Any, b: Any) -> None:
    """Put b into a: weights add up, moments are matched; the likelier one's memory stays."""
    total = a.weight + b.weight
    u, t = a.weight / total, b.weight / total
    dr, dx, dv, dw = b.r - a.r, b.x - a.x, b.v - a.v, b.w - a.w
    a.rr = u * a.rr + t * b.rr + u * t * dr * dr
    a.rx = u * a.rx + t * b.rx + u * t * dr * dx
    a.rv = u * a.rv + t * b.rv + u * t * dr * dv
    a.rw = u * a.rw + t * b.rw + u * t * dr * dw
    a.xx = u * a.xx + t * b.xx + u * t * dx * dx
    a.xv = u * a.xv + t * b.xv + u * t * dx * dv
    a.xw = u * a.xw + t * b.xw + u * t * dx * dw
    a.vv = u * a.vv + t * b.vv + u * t * dv * dv
    a.vw = u * a.vw + t * b.vw + u * t * dv * dw
    a.ww = u * a.ww + t * b.ww + u * t * dw * dw
    a.r, a.x, a.v, a.w = a.r + t * dr, a.x + t * dx, a.v + t * dv, a.w + t * dw
    a.weight = total
