"""What the parts of the retro engine share: the records they work on. Compiled callers only."""

from typing import NamedTuple

import numpy as np

from weightstream.batch import Floats, Ints
from weightstream.engine.beam import Beam
from weightstream.engine.records import Records

WORK = np.dtype(
    [
        ("factor", "f8"),  # of the level in a reading, as conditions() has it
        ("offset", "f8"),
        ("noise", "f8"),
        ("loo", "f8"),  # mean and variance of the reading by all others
        ("loo_var", "f8"),
        ("move", "f8"),  # probability of a move just before the reading
        ("copy_of", "i8"),  # row of the weighing that it only repeats, or -1
        ("other", "f8"),  # of rejected readings: density as another person's, as a stranger's,
        ("alone", "f8"),
        ("rest", "f8"),  # as anything else, and as the likeliest error with a name;
        ("named", "f8"),
        ("who", "f8"),  # probability of another person, and what others of the source say of it;
        ("near", "f8"),
        ("often", "f8"),
        ("next", "i8"),  # rows of the next and the last one of the source, or -1,
        ("back", "i8"),
        ("beside", "i8"),  # 1 where no other reading of the source lies between;
        ("kind", "i8"),  # the likeliest kind if it comes in bursts, and its probability
        ("sure", "f8"),
    ]
)
"""One reading of the person at hand."""

MEANS, PRECISIONS, LOGDET = 0, 4, 14
SIDE_WEIGHT, SIDE_RESTLESS, SIDE_COURSE, SIDE_MOVED, SIDE_LEVEL = range(15, 20)
SIDE_XX, SIDE_VV, SIDE_WW, SIDE_VAR, SIDE_LEAP, SIDE_LOG, SIDE_ERRORS, SIDE_SIZE = range(20, 28)
"""What comes from one side of a reading: mean and precision of r, x, v, w, of which course, and the
evidence of its errors."""
COVARIANCES, ORIGIN = 4, 14
"""In the joint state of two sides; r counts from ORIGIN."""

SUMS = np.dtype(
    [
        (name, "f8")
        for name in (
            "pairs", "known", "mean", "square", "calm", "calm_mean", "calm_square", "right",
            "wrong", "levels", "level", "level_square", "trend", "right_level", "right_square",
            "right_trend", "moved", "likeliest", "error",
        )
    ]
)  # fmt: skip
"""Sums over pairs of sides. Weighed without the reading: pairs, those that know a level, the
reading's prediction (calm: where nothing moved just now). Weighed with it: right and wrong, the
level (right_: of pairs in which the reading is right), and whether it moved just before. likeliest,
error: weight of the likeliest pair, and its density of errors."""


class Series(NamedTuple):
    """One batch's readings, parameters, results and scratch, as the helpers take them.

    k: the beam over the readings, with this person's parameters. ahead: forward predictions of
    all readings, those of row i from ahead_start[i - first] on. before, after: (sides, SIDE_SIZE)
    what comes from either side of one reading.
    """

    k: Beam
    usual: Records  # parameters of most persons
    out: Records
    work: Records
    tally: Floats
    ahead: Records
    ahead_start: Ints
    before: Floats
    after: Floats
    joint: Floats
    scratch: Floats
    sums: Records
