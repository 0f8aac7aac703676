"""Where a person's level goes if things go on as they are: the filter's state, moved forward."""

import math

import numpy as np

from weightstream.batch import Floats
from weightstream.engine.compiled import shared
from weightstream.engine.filter import load
from weightstream.engine.process import advance
from weightstream.engine.records import COURSE, Records


@shared
def _project(state: Floats, process: Records, days: Floats, out: Floats) -> None:
    course = np.zeros(1, COURSE)
    c = course[0]
    load(state, c)
    last = c.day
    for k in range(len(days)):
        advance(c, last + days[k], process[0])
        out[k, 0], out[k, 1] = c.r + c.x, math.sqrt(max(c.rr + 2.0 * c.rx + c.xx, 0.0))
        out[k, 2], out[k, 3] = c.v, math.sqrt(max(c.vv, 0.0))


def project(state: Floats, process: Records, days: Floats) -> Floats | None:
    """Project the level and its rate some days ahead of a person's last reading.

    state: (STATE_SIZE,) float64, as the filter left it. process: Model.process. days: (K,) float64,
    ascending, 0 is the last reading. Returns (K, 4) float64: level, its SD, rate, its SD; kg and
    days. None of an empty state.
    """
    if np.isnan(state).all():
        return None
    out = np.empty((len(days), 4))
    _project(np.array(state, np.float64), process, np.asarray(days, np.float64), out)
    return out
