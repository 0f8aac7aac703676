"""Where a person's level goes if things go on as they are: the filter's state, moved forward."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weightstream.engine.projection import project

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


def outlook(state: npt.NDArray[np.float64], process: npt.NDArray[Any]) -> Outlook | None:
    """Project the level eight weeks ahead of a person's last reading; None of an empty state.

    state: (STATE_SIZE,) float64, as the filter left it (column `state` of user_states).
    process: Model.process. The rate fades to 0 as the model says (docs/judging.md, eq. 1), so a
    projection bends towards level instead of running on for ever.
    """
    ahead = project(state, process, np.array([0.0, *PROJECTED_DAYS]))
    if ahead is None:
        return None  # nothing accepted yet, or later readings may still revise earlier decisions
    level, sd, rate, rate_sd = ahead.T
    around = INTERVAL * 7.0 * rate_sd[0]
    margin = INTERVAL * sd[1:]
    return Outlook(
        float(7.0 * rate[0] - around),
        float(7.0 * rate[0] + around),
        PROJECTED_DAYS,
        level[1:].tolist(),
        (level[1:] - margin).tolist(),
        (level[1:] + margin).tolist(),
    )
