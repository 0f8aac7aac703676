"""Densities of right readings and of steps, and what follows from them. Compiled.

Formulas: docs/judging.md, eq. 3.
"""

import math

from weightstream.batch import Floats
from weightstream.engine.compiled import jit
from weightstream.engine.mixture import normal
from weightstream.engine.model import (
    LEAP_PER_DAY,
    LEAP_SHARE,
    LEAP_VAR,
    SHIFT_LEAST,
    SHIFT_MOST,
    SHIFT_PER_DAY,
    SHIFT_VAR,
    SUDDEN_DAYS,
    SUDDEN_VAR,
    TAIL_SHARE,
    TAIL_VAR,
)

Z95 = 1.959963984540054  # SDs on each side of a normal 95 % interval
BELL_AT_Z95 = math.exp(-0.5 * Z95 * Z95)
ROOT_2 = math.sqrt(2.0)
ROOT_HALF_PI = math.sqrt(0.5 * math.pi)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@jit
def log_normal(residual: float, variance: float) -> float:
    return -0.5 * (residual * residual / variance + math.log(variance)) - HALF_LOG_2PI


@jit
def step_log_density(size: float, variance: float, gap: float, p: Floats) -> float:
    """Log of how often a level steps over a gap, times the density of a step of this size."""
    often = min(max(gap * p[SHIFT_PER_DAY], p[SHIFT_LEAST]), p[SHIFT_MOST])
    slow = min(gap / SUDDEN_DAYS, 1.0)
    own = slow * p[SHIFT_VAR] + (1.0 - slow) * p[SUDDEN_VAR]
    return math.log(often) + log_normal(size, variance + own)


@jit
def odds_to_p(log_odds: float) -> float:
    if log_odds < -700.0:
        return 0.0
    return 1.0 / (1.0 + math.exp(-log_odds))


@jit
def valid_density(residual: float, variance: float, gap: float, p: Floats) -> tuple[float, float]:
    """Density of a right reading, and the share of it that is not the wide tail (eq. 3).

    gap: days since the level was last seen, over which it may have leapt; 0 where seen from both
    sides.
    """
    leap = min(gap * p[LEAP_PER_DAY], p[LEAP_SHARE]) if gap > 0.0 else 0.0
    core = (1.0 - p[TAIL_SHARE] - leap) * normal(residual, variance)
    if leap > 0.0:
        core += leap * normal(residual, variance + p[LEAP_VAR])
    both = core + p[TAIL_SHARE] * normal(residual, variance + p[TAIL_VAR])
    return both, core / both if both > 0.0 else 0.0


@jit
def believed_noise(noise: float, usual: float, p: Floats) -> float:
    """Noise of a reading that belongs to the usual scatter with probability `usual`."""
    return noise / (usual + (1.0 - usual) * noise / (noise + p[TAIL_VAR]))


@jit
def interval_sd(variance: float, p: Floats) -> float:
    """SD whose normal 95 % interval holds 95 % of right readings, the tail's too.

    One Newton step from the core's quantile to that of core and tail.
    """
    sd = math.sqrt(variance)
    wide = math.sqrt(variance + p[TAIL_VAR])
    z = Z95 * sd / wide
    outside = (1.0 - p[TAIL_SHARE]) * 0.05 + p[TAIL_SHARE] * math.erfc(z / ROOT_2)
    slope = (1.0 - p[TAIL_SHARE]) * BELL_AT_Z95 / sd
    slope += p[TAIL_SHARE] * math.exp(-0.5 * z * z) / wide
    return sd + (outside - 0.05) * ROOT_HALF_PI / (slope * Z95)
