"""The state of one person from which a filter goes on. Compiled.

It holds what is known after the last reading that can no longer change.
"""

from typing import Any

from weightstream.engine.compiled import jit
from weightstream.engine.records import KEPT
from weightstream.types import Floats

STATE_SIZE = KEPT + 3
"""A state: the kept fields of the one course, then day, kg and source of the last reading in it."""


def state_day(state: Floats) -> Floats:
    """Return (U,) days of the last readings in (U, STATE_SIZE) states; NaN where there is none."""
    return state[:, KEPT]


@jit
def load(state: Floats, c: Any) -> None:
    """A stored state's course: its fields in the order of records.COURSE."""
    c.weight = 1.0
    c.day = state[0]
    c.seen = state[1]
    c.r = state[2]
    c.x = state[3]
    c.v = state[4]
    c.w = state[5]
    c.rr = state[6]
    c.rx = state[7]
    c.rv = state[8]
    c.rw = state[9]
    c.xx = state[10]
    c.xv = state[11]
    c.xw = state[12]
    c.vv = state[13]
    c.vw = state[14]
    c.ww = state[15]
    c.scale = state[16]
    c.told = state[17]
    c.restless = state[18]
    c.right = state[19]
    c.wrong = state[20]
    c.feared = state[21]
    c.fault = state[22]
    c.run = state[23]
    c.fault_source = state[24]
    c.guest = state[25]
    c.visits = state[26]
    c.last = state[27]
    c.label = state[28]
    c.rights = c.moves = c.spells = 0


@jit
def store(state: Floats, c: Any) -> None:
    """The inverse of `load`."""
    state[0] = c.day
    state[1] = c.seen
    state[2] = c.r
    state[3] = c.x
    state[4] = c.v
    state[5] = c.w
    state[6] = c.rr
    state[7] = c.rx
    state[8] = c.rv
    state[9] = c.rw
    state[10] = c.xx
    state[11] = c.xv
    state[12] = c.xw
    state[13] = c.vv
    state[14] = c.vw
    state[15] = c.ww
    state[16] = c.scale
    state[17] = c.told
    state[18] = c.restless
    state[19] = c.right
    state[20] = c.wrong
    state[21] = c.feared
    state[22] = c.fault
    state[23] = c.run
    state[24] = c.fault_source
    state[25] = c.guest
    state[26] = c.visits
    state[27] = c.last
    state[28] = c.label
