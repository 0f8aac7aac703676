"""Named fields of what the kernels pass around: parameters, sources, courses, results."""

from typing import Any

import numpy as np
import numpy.typing as npt

from weightstream.schema import REASONS

REASON_COUNT = len(REASONS)
Records = npt.NDArray[Any]

PROCESS = np.dtype(
    [
        ("level_noise", "f8"),  # kg² a day of the random walk
        ("trend_var", "f8"),  # (kg a day)², of the rate
        ("trend_rate", "f8"),  # 1/day, how fast the rate turns
        ("water_var", "f8"),
        ("water_days", "f8"),
        ("evening", "f8"),
        ("evening_var", "f8"),
        ("week_cos", "f8"),  # weekly swing as a share of the level, from Monday 0:00 on
        ("week_sin", "f8"),
        ("tail_share", "f8"),
        ("tail_var", "f8"),
        ("move_per_day", "f8"),
        ("leap_per_day", "f8"),
        ("restless_per_day", "f8"),
        ("pounds", "f8"),  # share of numbers that are typed in pounds
        ("wholes", "f8"),  # share of numbers that are whole
        ("scale", "f8"),  # variances of this person over those of most, to begin with,
        ("adapts", "f8"),  # 1 where they are learnt on the way
        ("accept", "f8"),
        ("born", "f8"),  # day of birth of the person at hand, NaN where not known,
        ("age", "f8"),  # and days since then at the reading at hand
        ("sex", "i8"),  # as UserBatch.sex
    ]
)
"""How weight moves and readings scatter, (1,) of it; kg and days."""

SOURCE = np.dtype(
    [
        ("bias", "f8"),
        ("noise_var", "f8"),
        ("by_day", "f8"),
        ("key", "f8"),
        ("rate", "f8", (REASON_COUNT,)),
    ]
)
"""One source. by_day: see model.SourceModel. rate: share of readings by reason; of "ok" that of
right readings."""

MOMENTS = ("r", "x", "v", "w", "rr", "rx", "rv", "rw", "xx", "xv", "xw", "vv", "vw", "ww")
COURSE = np.dtype(
    [
        ("weight", "f8"),  # probability among the courses beside it
        ("day", "f8"),  # time of the moments
        ("seen", "f8"),  # time of the last right reading; NaN: none so far
        *((name, "f8") for name in MOMENTS),
        ("scale", "f8"),  # variances of this person over those of most,
        ("told", "f8"),  # and readings that told it
        ("restless", "f8"),  # 1 in a restless spell
        ("right", "f8"),  # right readings so far
        ("wrong", "f8"),  # errors so far, a run counting once,
        ("feared", "f8"),  # and how many the sources' rates let expect
        ("fault", "f8"),  # kind of the run of errors that goes on, its length and source
        ("run", "f8"),
        ("fault_source", "f8"),
        ("guest", "f8"),  # weight of a co-user, kg, and how often they came
        ("visits", "f8"),
        ("last", "f8"),  # 1 where the reading before was right
        ("label", "f8"),  # factor on noise in a run of errors that can be undone (course.py)
        ("rights", "i8"),  # one bit a reading, the newest lowest: right,
        ("moves", "i8"),  # after a move,
        ("spells", "i8"),  # and in a restless spell
    ]
)
"""One hypothesis of what a person weighed and which readings are right.

Moments of random walk r, swing x and its rate v, water w; the level is r + x.
"""
KEPT = len(COURSE.names or ()) - 4
"""Numbers of a course that a stored state keeps: all but its weight and bits."""

READING = np.dtype(
    [("day", "f8"), ("hour", "f8"), ("weight", "f8"), ("source", "i8"), ("forced", "i8")]
)
"""One reading, as UserBatch has it; weight in kg."""

KID = np.dtype([("weight", "f8"), ("of", "i8"), ("what", "i8"), ("kind", "i8"), ("value", "f8")])
"""A way in which a course may go on: its probability, of which course, what the reading is then and
which error, and what is learnt from it (NaN: nothing)."""

ERROR = np.dtype([("density", "f8"), ("undone", "f8"), ("likely", "f8")])
"""One kind of error that a reading may be: prior times density; the right value, NaN where it
cannot be had; and the density on the course whose value that is."""

ROW = np.dtype(
    [
        ("p", "f8"),
        ("mean", "f8"),  # of the reading, made without it
        ("sd", "f8"),
        ("level", "f8"),
        ("level_sd", "f8"),
        ("trend", "f8"),
        ("suggested", "f8"),
        ("p_reason", "f8"),
        ("second", "f8"),  # code of the second reason
        ("p_second", "f8"),
        ("shift_from", "f8"),
        ("shift_to", "f8"),
        ("evidence", "f8"),  # log density of the reading by all before it
        ("change", "f8"),
        ("change_sd", "f8"),
        ("accepted", "?"),
        ("reason", "i1"),
    ],
    align=True,
)
"""Results for one reading; kg and days. reason: index into schema.REASONS."""
