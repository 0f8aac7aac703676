"""How far a person's level has come in four weeks, by the joint distribution of both ends."""

from itertools import pairwise

import numpy as np

from weightstream.batch import Floats, UserBatch
from weightstream.engine.model import Process
from weightstream.movement import body_size, kriged, usual_variance
from weightstream.schema import Z95
from weightstream.types import Ints

CHANGE_DAYS = 28.0


def changes(
    batch: UserBatch, level: Floats, sd: Floats, filtered: Floats, process: Process
) -> tuple[Floats, Floats]:
    """Return the change of the level over the CHANGE_DAYS before each reading, and its margin.

    level, sd: (N,) float64 kg, NaN where unknown. filtered: (N,) the SD from earlier readings and
    the one itself. Both results (N,) float64, kg; NaN where the levels do not reach back so far.
    Between two readings the level is kriged. The errors of two neighbouring levels correlate as
    a smoother has it (Rauch, Tung and Striebel), of those further apart by the product.
    """
    known = np.flatnonzero(np.isfinite(level))
    change, margin = np.full((2, len(level)), np.nan)
    if not len(known):
        return change, margin
    user = np.repeat(np.arange(len(batch.user_ids)), np.diff(batch.indptr))[known]
    day, own, sd = batch.day[known], level[known], np.maximum(sd[known], 1e-9)
    alike = _alike(day, own, sd, filtered[known], process)
    # Person by person, for a sum over all would give others a say in the last bit.
    for start, stop in pairwise([0, *(np.flatnonzero(np.diff(user)) + 1).tolist(), len(user)]):
        alike[start] = 0.0
        alike[start:stop] = np.cumsum(alike[start:stop])
    # One search for all persons: each has a stretch of time of their own.
    then = day - CHANGE_DAYS
    stretch = (day.max() - day.min() + 2 * CHANGE_DAYS) * user
    after = np.searchsorted(day + stretch, then + stretch, side="right")
    reached = (after > 0) & (user[np.maximum(after - 1, 0)] == user)
    at, left, right = np.flatnonzero(reached), after[reached] - 1, after[reached]

    def shared(a: Ints, b: Ints) -> Floats:
        """Covariance of levels a and b, of which b is not earlier."""
        return np.asarray(sd[a] * sd[b] * np.exp(alike[b] - alike[a]))

    since, gap = then[at] - day[left], day[right] - day[left]
    w, rest = kriged(since, gap, process)
    v, variance = 1.0 - w, sd[at] ** 2 + body_size(own[left]) * rest
    variance += v**2 * sd[left] ** 2 + w**2 * sd[right] ** 2 + 2.0 * v * w * shared(left, right)
    variance -= 2.0 * (v * shared(left, at) + w * shared(right, at))
    change[known[at]] = own[at] - v * own[left] - w * own[right]
    margin[known[at]] = Z95 * np.sqrt(np.maximum(variance, 0.0))
    return change, margin


def _alike(day: Floats, level: Floats, sd: Floats, filtered: Floats, process: Process) -> Floats:
    """Return the logarithm of the correlation of each level's error with that of the one before."""
    found = np.zeros(len(day))
    moved = body_size(level[:-1]) * usual_variance(np.maximum(np.diff(day), 0.0), process)
    # Where the filter knew no level yet, what it knew is as vague as can be.
    known = np.where(np.isfinite(filtered), np.maximum(filtered, 1e-9), 1e3)[:-1] ** 2
    gain = known / (known + moved)
    found[1:] = np.log(np.clip(gain * sd[1:] / sd[:-1], 1e-12, 1.0))
    return found
