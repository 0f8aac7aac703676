"""Where a person's level goes if things go on as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from weightstream.movement import Floats, Process, usual_variance
from weightstream.schema import Z95

PROJECTED_DAYS = tuple(range(7, 57, 7))
LEVEL_AND_RATE = 0.27
"""Covariance of level and rate, in SDs of a usual rate and of the level (measured: alerts.py)."""


@dataclass(frozen=True)
class Outlook:
    """days: after the newest level; level_kg and its 95 % interval then, each as long as days."""

    days: Sequence[int]
    level_kg: Sequence[float]
    level_lo_kg: Sequence[float]
    level_hi_kg: Sequence[float]


def outlook(level: float, lo: float, hi: float, per_week: float, process: Process) -> Outlook:
    """Project a level eight weeks ahead from what the store says of it now.

    level, lo, hi: the newest level and its 95 % interval, kg. per_week: its rate there, kg a week.
    The rate fades as the model says (docs/judging.md, eq. 1), so a projection bends towards level
    instead of running on for ever. The interval is that of the level, of its usual change,
    and of what both have in common.
    """
    reach, usual = _ahead(process)
    usual_rate = process.trend_kg_per_week / 7.0
    deviation = (hi - lo) / (2.0 * Z95)
    shared = 2.0 * LEVEL_AND_RATE * reach * usual_rate * deviation
    half = Z95 * np.sqrt(deviation**2 + shared + usual)
    ahead = level + reach * per_week / 7.0
    return Outlook(PROJECTED_DAYS, ahead.tolist(), (ahead - half).tolist(), (ahead + half).tolist())


@lru_cache(maxsize=8)
def _ahead(process: Process) -> tuple[Floats, Floats]:
    """How far a rate of 1 leads in PROJECTED_DAYS, and the variance of a usual change."""
    days = np.array(PROJECTED_DAYS, np.float64)
    return days * np.exp(-days / process.trend_days), usual_variance(days, process)
