"""Densities of right readings and of moves, and what follows from them. Compiled.

Formulas: docs/judging.md, eq. 3-4.
"""

import math
from typing import Any

from weightstream.engine.compiled import jit
from weightstream.engine.mixture import normal
from weightstream.schema import Z95

BELL_AT_Z95 = math.exp(-0.5 * Z95 * Z95)
ROOT_2 = math.sqrt(2.0)
ROOT_HALF_PI = math.sqrt(0.5 * math.pi)

MOVE_MOST, MOVE_SHARE = 0.12, 0.065
"""A move (illness, diet, water): greatest probability over one gap; SD as a share of the weight."""
LEAP_MOST = 0.02
LEAP_SHARES, LEAP_DAYS = (0.08, 0.22), 365.0
"""The same of a leap (birth, surgery, amputation, years unseen); its SD grows with the gap up to
LEAP_DAYS, for no body loses a third of its weight in a week."""
SOON_DAYS, SOON_TAIL = 0.05, 0.1
"""Within the hour a second weighing shares the meal and the coat: how much rarer its tail is."""


@jit
def valid_density(
    residual: float, variance: float, share: float, tail: float
) -> tuple[float, float]:
    """Density of a right reading with a wide tail, and the share of it that is not the tail."""
    core = (1.0 - share) * normal(residual, variance)
    both = core + share * normal(residual, variance + tail)
    return both, core / both if both > 0.0 else 0.0


@jit
def move_rates(gap: float, p: Any) -> tuple[float, float]:
    """Probabilities of a move and of a leap over the days since the last right reading."""
    return min(gap * p.move_per_day, MOVE_MOST), min(gap * p.leap_per_day, LEAP_MOST)


@jit
def between(level: float, other: float) -> float:
    """Geometric mean of the levels at both ends of a leap, whose SD is a share of it.

    So halving is as likely as doubling, and time may run either way.
    """
    return math.sqrt(max(level, 1.0) * max(other, 1.0))


@jit
def leap_sd(level: float, gap: float) -> float:
    """SD of a leap over a gap, kg. level: see between."""
    low, high = LEAP_SHARES
    return level * (low + (high - low) * min(gap / LEAP_DAYS, 1.0))


@jit
def tail_share(gap: float, hour: float, p: Any) -> float:
    """Share of right readings with more than the usual scatter, after a gap.

    hour: NaN where only the date is known, so that nobody knows how soon it was.
    """
    soon = gap < SOON_DAYS and not math.isnan(hour)
    return p.tail_share * (SOON_TAIL if soon else 1.0)


@jit
def believed_noise(noise: float, usual: float, tail: float) -> float:
    """Noise of a reading that belongs to the usual scatter with probability `usual`."""
    return noise / (usual + (1.0 - usual) * noise / (noise + tail))


@jit
def interval_sd(variance: float, share: float, tail: float) -> float:
    """SD whose normal 95 % interval holds 95 % of right readings, the tail's too.

    One Newton step from the core's quantile to that of core and tail.
    """
    sd = math.sqrt(variance)
    wide = math.sqrt(variance + tail)
    z = Z95 * sd / wide
    outside = (1.0 - share) * 0.05 + share * math.erfc(z / ROOT_2)
    slope = (1.0 - share) * BELL_AT_Z95 / sd
    slope += share * math.exp(-0.5 * z * z) / wide
    return sd + (outside - 0.05) * ROOT_HALF_PI / (slope * Z95)


@jit
def odds_to_p(log_odds: float) -> float:
    if log_odds < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-log_odds))
