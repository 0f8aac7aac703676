"""Where a person's level goes if things go on as they are: the filter's state, moved forward."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weightstream.engine import track as course

PROJECTED_DAYS = tuple(range(7, 57, 7))
INTERVAL = 1.959963984540054  # SDs on each side of a 95 % interval


@dataclass(frozen=True)
class Outlook:
    """rate_lo, rate_hi: 95 % interval of the weekly rate now (kg a week). days: after the last
    reading; level_kg and its 95 % interval then, each as long as days."""

    rate_lo: float
    rate_hi: float
    days: Sequence[int]
    level_kg: Sequence[float]
    level_lo_kg: Sequence[float]
    level_hi_kg: Sequence[float]


def outlook(state: npt.NDArray[np.float64], process: npt.NDArray[np.float64]) -> Outlook | None:
    """Project the level eight weeks ahead of a person's last reading; None of an empty state.

    state: (STATE_SIZE,) float64, as the filter left it (column `state` of user_states).
    process: Model.process, (K,) float64. The rate fades to 0 as the model says (docs/judging.md,
    eq. 1-2), so a projection bends towards level instead of running on for ever.
    """
    if np.isnan(state[course.L]):
        return None  # nothing accepted yet, or later readings may still revise earlier decisions
    around = INTERVAL * 7.0 * float(np.sqrt(max(state[course.VV], 0.0)))
    rate = 7.0 * float(state[course.V])
    track = np.array(state, dtype=np.float64)
    start = track[course.DAY]
    level, margin = [], []
    for days in PROJECTED_DAYS:
        course.predict(track, start + days, process)
        level.append(float(track[course.L]))
        margin.append(INTERVAL * float(np.sqrt(track[course.LL])))
    return Outlook(
        rate - around,
        rate + around,
        PROJECTED_DAYS,
        level,
        [a - b for a, b in zip(level, margin, strict=True)],
        [a + b for a, b in zip(level, margin, strict=True)],
    )
