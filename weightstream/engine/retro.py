"""What the parts of the retro engine share: the table they work on. Compiled callers only."""

from typing import NamedTuple

from weightstream.batch import Codes, Floats, Ints
from weightstream.engine.kernel import Bools

# Columns of the work table of one person's readings: what does not change between passes, ...
FACTOR, OFFSET, NOISE, JUMP = range(4)
# ... the forward pass's prediction (mean and covariance as in a track), residual and variance, ...
AHEAD, RESIDUAL, VARIANCE = 4, 13, 14
# ... what all others say of the reading, its weight as a noise variance, and densities.
LOO, LOO_VAR, WEIGHED, VALID, WRONG = range(15, 20)
# ... and the row of the reading that it only repeats, or -1.
COPY_OF = 20
WORK_SIZE = 22
# Once the passes are over, of rejected readings, where predictions were: densities as another
# person's, as a stranger's, as anything else and as the likeliest error with a name; ...
OTHER, ALONE, REST, NAMED = range(AHEAD, AHEAD + 4)
# ... probability of another person, and what others of the source say of that; ...
WHO, NEAR, OFTEN = 8, 9, 21
# ... rows of the next and the last one of the source, or -1, and whether none lies between a row
# and the last; the likeliest kind if it comes in bursts, and its probability.
NEXT, BACK, BESIDE, KIND, SURE = range(10, 15)
MISSING = -1.0  # as a noise variance: the reading does not count


class Series(NamedTuple):
    """One batch's readings, parameters, results and scratch, as the helpers take them."""

    day: Floats
    hour: Floats
    weight: Floats
    source: Ints
    forced: Codes
    usual: Floats  # parameters, for all persons
    p: Floats  # and for this one
    table: Floats
    out: Floats
    accepted: Bools
    reason: Codes
    work: Floats
    x: Floats
    tally: Floats
    density: Floats
    undone: Floats
