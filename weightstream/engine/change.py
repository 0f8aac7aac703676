"""How far a person's level has come in four weeks: from the levels and their uncertainty."""

import numpy as np

from weightstream.batch import Floats, UserBatch
from weightstream.schema import Z95

CHANGE_DAYS = 28.0


def changes(batch: UserBatch, level: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Return the change of the level over the CHANGE_DAYS before each reading, and its margin.

    level, sd: (N,) float64 kg, NaN where unknown. Both (N,) float64, kg; NaN where the levels do
    not reach back so far. The level then lies on the line between those around it. The ends are
    taken as independent, which makes the 95 % margin too wide rather than too narrow.
    """
    known = np.flatnonzero(np.isfinite(level))
    change, margin = np.full((2, len(level)), np.nan)
    if not len(known):
        return change, margin
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))[known]
    day, then = batch.day[known], batch.day[known] - CHANGE_DAYS
    # One search for all persons: each has a stretch of time of their own.
    stretch = (day.max() - day.min() + 2 * CHANGE_DAYS) * user
    after = np.searchsorted(day + stretch, then + stretch, side="right")
    before = after - 1
    reached = (before >= 0) & (user[np.maximum(before, 0)] == user)
    at, left, right = np.flatnonzero(reached), before[reached], after[reached]
    gap = day[right] - day[left]
    part = np.where(gap > 0, (then[at] - day[left]) / np.where(gap > 0, gap, 1.0), 0.0)
    own, spread = level[known], sd[known] ** 2
    start = (1 - part) * own[left] + part * own[right]
    variance = spread[at] + (1 - part) * spread[left] + part * spread[right]
    change[known[at]] = own[at] - start
    margin[known[at]] = Z95 * np.sqrt(variance)
    return change, margin
