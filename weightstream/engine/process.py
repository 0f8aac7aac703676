"""How weight moves in continuous time: the pieces of the model, and one course moved forward.

Three independent pieces are added: a random walk, a swing that turns back (a Matérn-3/2 process:
weight and its rate) and water (Ornstein-Uhlenbeck). All are reversible in time. The transition of
each is expm(F d), its noise the integral (docs/judging.md, eq. 1).
"""

import math
from typing import Any

from weightstream.engine.compiled import shared
from weightstream.engine.growth_curve import grown, growth_variance
from weightstream.movement import LEAST_SIZE, USUAL_KG

SMALL_KG = 50.0
"""Below it, scatter, water and offsets are in proportion to the body; above, offsets are the same
for all, and scatter and water grow as its square root."""
RESTLESS_VAR = 6.0
"""kg² a day by which the level of a usual body wanders in a restless spell (fluid, illness)."""
RESTLESS_MOST_DAYS = 4.0
"""Over a longer gap a restless spell adds no more."""
UNKNOWN_HOUR = 0.3
"""Scatter of a reading without a time of day, as a share of the evening's rise."""
SWING_SERIES = 1e-3
"""Of rate * gap: there the closed form of the swing's noise cancels."""


@shared
def swing_transition(gap: float, rate: float) -> tuple[float, float, float, float]:
    """F of a Matérn-3/2 process: xx, xv, vx, vv."""
    e = math.exp(-rate * gap)
    return e * (1.0 + rate * gap), e * gap, -rate * rate * gap * e, e * (1.0 - rate * gap)


@shared
def swing_noise(gap: float, rate: float, rate_var: float) -> tuple[float, float, float]:
    """Q of a Matérn-3/2 process with stationary variance rate_var of its rate: xx, xv, vv."""
    u = rate * gap
    e = math.exp(-2.0 * u)
    xv = 2.0 * rate_var * rate * gap * gap * e
    if u < SWING_SERIES:
        xx = rate_var / (rate * rate) * (4.0 / 3.0) * u * u * u * (1.0 - 1.5 * u)
        return xx, xv, 4.0 * rate_var * u * (1.0 - 2.0 * u)
    xx = rate_var / (rate * rate) * (1.0 - e * ((1.0 + u) ** 2 + u * u))
    return xx, xv, rate_var * (1.0 - e * ((1.0 - u) ** 2 + u * u))


@shared
def small(level: float) -> float:
    """Factor on the offsets of a body."""
    return min(1.0, max(level, 1.0) / SMALL_KG)


@shared
def scatter(level: float) -> float:
    """Factor on the SDs of scatter and of water of a body."""
    return small(level) * math.sqrt(max(level, SMALL_KG) / USUAL_KG)


@shared
def size(level: float) -> float:
    """Factor on the variances of movement of a body: SDs grow as its weight to the 3/4."""
    share = max(level, 1.0) / USUAL_KG
    return max(share * math.sqrt(share), LEAST_SIZE)


@shared
def spell_variance(level: float, gap: float) -> float:
    """What a restless spell adds to the variance of a level over a gap."""
    return RESTLESS_VAR * size(level) * min(gap, RESTLESS_MOST_DAYS)


@shared
def advance(c: Any, day: float, p: Any) -> None:
    """Move a course to `day`, which may lie before it: the process is reversible, v changes sign.

    A course that runs backwards keeps its rate as of a clock that runs backwards.
    """
    gap = abs(day - c.day)
    if gap <= 0.0 or math.isnan(c.seen):
        c.day = day
        return
    level = c.r + c.x
    moved = size(level) * c.scale * math.sqrt(c.label)
    fxx, fxv, fvx, fvv = swing_transition(gap, p.trend_rate)
    qxx, qxv, qvv = swing_noise(gap, p.trend_rate, p.trend_var * moved)
    wet = math.exp(-gap / p.water_days)
    water = p.water_var * c.scale * c.label * scatter(level) ** 2 * (1.0 - wet * wet)
    x, v = c.x, c.v
    c.x, c.v, c.w = fxx * x + fxv * v, fvx * x + fvv * v, wet * c.w
    xx, xv, vv = c.xx, c.xv, c.vv
    c.xx = fxx * (fxx * xx + 2.0 * fxv * xv) + fxv * fxv * vv + qxx
    c.xv = fvx * (fxx * xx + fxv * xv) + fvv * (fxx * xv + fxv * vv) + qxv
    c.vv = fvx * (fvx * xx + 2.0 * fvv * xv) + fvv * fvv * vv + qvv
    rx, rv = c.rx, c.rv
    c.rx, c.rv = fxx * rx + fxv * rv, fvx * rx + fvv * rv
    xw, vw = c.xw, c.vw
    c.xw, c.vw = wet * (fxx * xw + fxv * vw), wet * (fvx * xw + fvv * vw)
    c.rw *= wet
    c.ww = wet * wet * c.ww + water
    c.rr += p.level_noise * moved * gap
    if c.restless == 1.0:
        c.rr += spell_variance(level, gap)
    growth = grown(level, c.day, day, p)
    if growth != 0.0:
        c.r += growth
        c.rr += growth_variance(level, growth)
    c.day = day


@shared
def conditions(day: float, hour: float, s: Any, p: Any) -> tuple[float, float, float]:
    """What time does to a valid reading of a source: factor on the level, offset, added variance
    (eq. 2).
    """
    turn = (day - 4.0) * (2.0 * math.pi / 7.0)
    factor = 1.0 + p.week_cos * math.cos(turn) + p.week_sin * math.sin(turn)
    if math.isnan(hour):
        share = UNKNOWN_HOUR
        return factor, s.by_day * p.evening, share * share * (p.evening**2 + p.evening_var)
    if hour < 7.0:
        share = (7.0 - hour) / 9.0
    elif hour < 22.0:
        share = (hour - 7.0) / 15.0
    else:
        share = (31.0 - hour) / 9.0
    return factor, share * p.evening, share * share * p.evening_var


@shared
def begin(c: Any, day: float, y: float, factor: float, noise: float, p: Any) -> None:
    """Start a course from its first right reading: the limit of a flat prior on the level."""
    level = y / factor
    moved = size(level) * c.scale * math.sqrt(c.label)
    water = p.water_var * c.scale * c.label * scatter(level) ** 2
    c.day = c.seen = day
    c.r, c.x, c.v, c.w = level, 0.0, 0.0, 0.0
    c.xx, c.vv, c.ww = p.trend_var * moved / p.trend_rate**2, p.trend_var * moved, water
    c.rr = (noise + water) / (factor * factor) + c.xx
    c.rx, c.rw = -c.xx, -water / factor
    c.rv = c.xv = c.xw = c.vw = 0.0


@shared
def spread(c: Any, factor: float) -> float:
    """Variance of a course's prediction of a reading, without the reading's own noise."""
    return factor * (factor * (c.rr + 2.0 * c.rx + c.xx) + 2.0 * (c.rw + c.xw)) + c.ww


@shared
def update(c: Any, residual: float, variance: float, factor: float) -> None:
    """Kalman update with a scalar reading; variance: of the prediction and the noise together."""
    r = factor * (c.rr + c.rx) + c.rw
    x = factor * (c.rx + c.xx) + c.xw
    v = factor * (c.rv + c.xv) + c.vw
    w = factor * (c.rw + c.xw) + c.ww
    k = residual / variance
    c.r += r * k
    c.x += x * k
    c.v += v * k
    c.w += w * k
    c.rr -= r * r / variance
    c.rx -= r * x / variance
    c.rv -= r * v / variance
    c.rw -= r * w / variance
    c.xx -= x * x / variance
    c.xv -= x * v / variance
    c.xw -= x * w / variance
    c.vv -= v * v / variance
    c.vw -= v * w / variance
    c.ww -= w * w / variance
