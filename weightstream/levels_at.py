"""A person's level between and after their readings, and the readings near a day.

Between two readings the level is that of the process given both (docs/judging.md, eq. 1). The
errors at both ends are taken as fully correlated, which makes intervals slightly too wide.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from weightstream.engine.model import Process
from weightstream.movement import body_size, usual_variance
from weightstream.types import Floats, Ints

Side = Literal["left", "right"]


@dataclass(frozen=True)
class LevelSeries:
    """The accepted readings of U persons: N values in the order of person and time.

    indptr: (U+1,) int64; person u owns indptr[u]:indptr[u+1]. day: (N,) float64, days since
    1970-01-01 UTC. kg: (N,) float64. sd: (N,) float64 kg, of each value as a level; None:
    readings as they are, without an uncertainty.
    """

    indptr: Ints
    day: Floats
    kg: Floats
    sd: Floats | None

    def first_day(self) -> Floats:
        """Return (U,) the first day of each person; NaN for a person without values."""
        return self._day_at(self.indptr[:-1])

    def last_day(self) -> Floats:
        """Return (U,) the last day of each person; NaN for a person without values."""
        return self._day_at(self.indptr[1:] - 1)

    def _day_at(self, rows: Ints) -> Floats:
        some = np.diff(self.indptr) > 0
        day = np.full(len(rows), np.nan)
        day[some] = self.day[rows[some]]
        return day


def _positions(indptr: Ints, day: Floats, wanted: Floats, side: Side) -> Ints:
    """Return the position of each person's wanted day among that person's days, by one search."""
    if not len(day):
        return np.zeros(len(wanted), np.int64)
    ends = np.append(wanted[np.isfinite(wanted)], [day.min(), day.max()])
    low, high = ends.min(), ends.max()
    stretch = (high - low + 1.0) * np.arange(len(indptr) - 1)
    keys = day - low + np.repeat(stretch, np.diff(indptr))
    found = np.searchsorted(keys, np.nan_to_num(wanted - low) + stretch, side)
    return np.clip(found, indptr[:-1], indptr[1:])


def variogram(days: Floats, kg: Floats, process: Process) -> Floats:
    """Return the variance, kg², of a level's change in some days: walk and swing of eq. 1."""
    return body_size(kg) * usual_variance(days, process)


def level_at(series: LevelSeries, day: Floats, process: Process) -> tuple[Floats, Floats]:
    """Return each person's level on a day and its SD, kg; NaN for a person without values.

    day: (U,) float64, one day per person. Outside a person's readings the level stays constant and
    its SD grows. For readings without SD the level is the nearest one (of two, the earlier), and
    its SD is 0.
    """
    if not len(series.day):
        return np.full(len(day), np.nan), np.full(len(day), np.nan)
    position = _positions(series.indptr, series.day, day, "right")
    has_before, has_after = position > series.indptr[:-1], position < series.indptr[1:]
    before, after = np.maximum(position - 1, 0), np.minimum(position, len(series.day) - 1)
    back, ahead = day - series.day[before], series.day[after] - day
    if series.sd is None:
        is_later = has_after & ~(has_before & (back <= ahead))
        kg = series.kg[np.where(is_later, after, before)]
        return np.where(has_before | has_after, kg, np.nan), np.zeros(len(day))
    own = np.where(has_before, before, after)
    away = np.abs(day - series.day[own])
    alone = series.sd[own] ** 2 + variogram(away, series.kg[own], process)
    share, bridge = _between(back, ahead, series.kg[before], process)
    both = has_before & has_after
    left, right = series.sd[before], series.sd[after]
    between = ((1.0 - share) * left + share * right) ** 2 + bridge
    middle = series.kg[before] + share * (series.kg[after] - series.kg[before])
    kg = np.where(both, middle, series.kg[own])
    sd = np.sqrt(np.where(both, between, alone))
    known = has_before | has_after
    return np.where(known, kg, np.nan), np.where(known, sd, np.nan)


def _between(back: Floats, ahead: Floats, kg: Floats, process: Process) -> tuple[Floats, Floats]:
    """Return the share of the next level in the one between, and its variance given both, kg²."""
    back, ahead = np.maximum(back, 0.0), np.maximum(ahead, 0.0)
    so_far, rest = variogram(back, kg, process), variogram(ahead, kg, process)
    whole = np.maximum(variogram(back + ahead, kg, process), 1e-12)
    together = (so_far + whole - rest) / 2.0
    return together / whole, np.maximum(so_far - together**2 / whole, 0.0)


def readings_near(series: LevelSeries, day: Floats, window: float) -> Ints:
    """Return the number of values of each person within `window` calendar days (UTC) of a day."""
    dates, date = np.floor(series.day), np.floor(day)
    last = _positions(series.indptr, dates, date + window, "right")
    first = _positions(series.indptr, dates, date - window, "left")
    return np.where(np.isnan(day), 0, last - first)
