"""Changes of a person's level that are faster than people's levels usually move.

Over d days a level usually changes by N(0, v(d)) (movement.py). The filter's estimate of the change
varies by v(d) + P(before) - P(after) + 2 a C(before): what it did not know before and knows now, it
shows as change. P is the variance of its level, C the covariance of level and rate,
a = d exp(-d/tau). C is not stored; it is about 0.27 s sqrt(P) (measured on the filter with the
default model: 0.25 to 0.27 for weighings 1 to 14 days apart). An alert is a change whose z, in SDs
of that, passes a threshold that is chosen, for how often this person is weighed, to give a stated
number of false alerts a year. The levels next to both of its ends must show it, too: the filter may
follow one wrong reading, which is more frequent than a real change of its size, until the next
reading. A change that only the newest reading shows is reported as unconfirmed.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import erf, exp, sqrt
from typing import Any

import numpy as np

from weightstream.movement import Floats, Ints, Process, usual_variance
from weightstream.outputs.pages.courses import DAY, Alert, Courses, by_person
from weightstream.schema import Z95

WINDOWS = (7.0, 30.0)
"""Days over which changes are watched."""
UNUSUAL_PER_YEAR = 0.5
"""Prior: how often a person's weight really changes in an unusual way."""
UNUSUAL_SPREAD = 6.0
"""Prior: SD of such a change, in SDs of a usual one."""
TAILS = {7.0: 1.35, 30.0: 1.0}
"""By window, how much larger |z| is than a normal one where it is rare: the filter leaps to what it
takes for a move. Measured on it (python -m benchmarks.alerts), people moving as the model says."""
LEVEL_AND_RATE = 0.27
"""C / (s sqrt(P)), see above."""
SAME_HOUR = 0.25
"""Days by which a weighing a week ago may be less than a week ago."""


def unusual_changes(
    people: Courses, process: Process, false_per_year: float = 0.1
) -> list[list[Alert]]:
    """Find unusual changes of each person's filtered level, oldest first; the newest reading's own
    as "unconfirmed", with the probability that it is right.

    false_per_year: false alerts to expect at most, per person and year, if all change is usual.
    """
    level = people.columns["level_kg"]
    known = _known(people, np.flatnonzero(~np.isnan(level)))
    found: dict[int, Alert] = {}  # by row, so of each person in the order of time
    for window in WINDOWS:
        usual = _Usual(process, false_per_year / len(WINDOWS), window)
        for peak in _changes(known, usual):
            alert = _alert(people, peak, window)
            if peak.row not in found or found[peak.row].probability < alert.probability:
                found[peak.row] = alert
    return by_person(people, found)


def _alert(people: Courses, peak: "_Peak", window: float) -> Alert:
    columns = people.columns
    at, began = (str(columns["effective_at"][row]) for row in (peak.row, peak.first))
    if peak.confirmed:
        sure = unusual(peak.z / TAILS[window], window)
        return Alert(at, "unusual", peak.days, peak.change, sure, began)
    right = float(np.nan_to_num(columns["p_valid"][peak.row]))
    return Alert(at, "unconfirmed", peak.days, peak.change, right, began)


def threshold(false_per_year: float, spacing_days: float, window_days: float) -> float:
    """The |z| that usual change passes from below `false_per_year` times a year.

    Changes over a window, looked at every `spacing_days`, are correlated by 1 - spacing/window
    (independent increments); crossings are counted by the bivariate normal distribution. Drift
    makes real changes smoother than that, so the true number is lower.
    """
    spacing = min(max(spacing_days, 0.25), window_days)
    return _threshold(false_per_year, round(spacing * 4) / 4, window_days)


def unusual(z: float, window_days: float) -> float:
    """Posterior probability that a change of z usual SDs is not a usual one."""
    prior = min(0.5, UNUSUAL_PER_YEAR * window_days / 365.25)
    log_odds = (z * z / 2.0) * (1.0 - 1.0 / UNUSUAL_SPREAD**2)
    return 1.0 / (1.0 + (1.0 - prior) / prior * UNUSUAL_SPREAD * exp(-min(log_odds, 700.0)))


@dataclass(frozen=True)
class _Usual:
    process: Process
    false_per_year: float
    window: float


@dataclass(frozen=True)
class _Known:
    """The K rows that have a level. row: which; person: whose; first: the person's first of them,
    an index into K. second: since that one. level in kg, variance in kg²."""

    row: Ints
    person: Ints
    first: Ints
    second: Ints
    level: Floats
    variance: Floats

    @property
    def key(self) -> Ints:
        """Rises with person and time, and is exact: a person's alerts are the same in any batch."""
        return self.person * 10**12 + self.second


@dataclass(frozen=True)
class _Peak:
    """Of a stretch: where z is largest. first: the row that it began with. confirmed: whether a
    later level shows the change, too."""

    row: int
    first: int
    days: float
    change: float
    z: float
    confirmed: bool


def _known(people: Courses, row: Ints) -> _Known:
    person = np.searchsorted(people.indptr, row, side="right") - 1
    first = np.searchsorted(person, person, side="left")
    second = people.time_us[row] // 1_000_000
    lo, hi = (people.columns[f"level_{end}_kg"][row] for end in ("lo", "hi"))
    variance = np.nan_to_num(((hi - lo) / (2.0 * Z95)) ** 2)
    level = people.columns["level_kg"][row]
    return _Known(row, person, first, second - second[first], level, variance)


def _changes(known: _Known, usual: _Usual) -> list[_Peak]:
    """Where |z| is largest in each stretch beyond the threshold."""
    window = usual.window
    back = round((window - SAME_HOUR) * DAY)
    before = np.searchsorted(known.key, known.key - back, side="right") - 1
    some = np.flatnonzero(before >= known.first)
    days = (known.second[some] - known.second[before[some]]) / DAY
    some, days = some[days <= 2.0 * window], days[days <= 2.0 * window]
    before = before[some]
    change = known.level[some] - known.level[before]
    sd = np.sqrt(_variance(known, some, before, days, usual))
    z, later = change / sd, (_next_level(known)[some] - known.level[before]) / sd
    earlier = (known.level[some] - known.level[np.maximum(before - 1, known.first[before])]) / sd
    limit = TAILS[window] * _limits(known, usual)[known.person[some]]
    newest = np.isnan(later)
    shown = (newest | (later * np.sign(z) >= limit)) & (earlier * np.sign(z) >= limit)
    beyond = np.flatnonzero((np.abs(z) >= limit) & shown)
    # A stretch ends where nothing is beyond for longer than the window, and with the person.
    apart = np.diff(known.key[some[beyond]]) > window * DAY
    stretches = np.split(beyond, np.flatnonzero(apart) + 1)
    peaks = [(int(rows[np.argmax(np.abs(z[rows]))]), rows[0]) for rows in stretches if len(rows)]
    row = known.row[some]
    return [
        _Peak(
            int(row[k]),
            int(row[first]),
            float(days[k]),
            float(change[k]),
            float(z[k]),
            not newest[first],
        )
        for k, first in peaks
    ]


def _next_level(known: _Known) -> Floats:
    """(K,) the level after each of a person's; NaN after the last one."""
    after = np.append(known.level, np.nan)[1:]
    after[:-1][known.person[1:] != known.person[:-1]] = np.nan
    return after


def _variance(known: _Known, now: Ints, before: Ints, days: Floats, usual: _Usual) -> Floats:
    """Of the filter's estimate of a usual change, kg²."""
    moved = usual_variance(days, usual.process)
    was = known.variance[before]
    tau, daily = usual.process.trend_days, usual.process.trend_kg_per_week / 7.0
    drift = days * np.exp(-days / tau) * LEVEL_AND_RATE * daily * np.sqrt(was)
    return np.maximum(moved + was - known.variance[now] + 2.0 * drift, 0.5 * moved)


def _limits(known: _Known, usual: _Usual) -> Floats:
    """(U,) thresholds of |z|, each for the median spacing of the person's weighings."""
    people = int(known.person[-1]) + 1 if len(known.person) else 0
    spacing = np.full(people, usual.window)
    same = np.flatnonzero(known.person[1:] == known.person[:-1])
    step = (known.second[same + 1] - known.second[same]) / DAY
    whose = known.person[same]
    order = np.lexsort((step, whose))
    step, whose = step[order], whose[order]
    start = np.searchsorted(whose, np.arange(people + 1))
    some = np.flatnonzero(np.diff(start))
    middle = start[some] + start[some + 1] - 1
    spacing[some] = (step[middle // 2] + step[(middle + 1) // 2]) / 2.0
    limits = [threshold(usual.false_per_year, days, usual.window) for days in spacing.tolist()]
    return np.array(limits, np.float64)


def _normal(x: Floats | float) -> Any:
    return 0.5 * (1.0 + np.vectorize(erf)(np.asarray(x) / sqrt(2.0)))


@lru_cache(maxsize=1024)
def _threshold(false_per_year: float, spacing: float, window: float) -> float:
    correlation = max(0.0, 1.0 - spacing / window)
    looks = 365.25 / spacing
    low, high = 0.5, 9.0
    for _ in range(20):  # to 1e-5
        middle = (low + high) / 2.0
        x = middle + np.linspace(0.0, 6.0, 300)
        density = np.exp(-x * x / 2.0) / sqrt(2.0 * np.pi)
        below = _normal((middle - correlation * x) / sqrt(max(1e-9, 1.0 - correlation**2)))
        crossings = 2.0 * looks * float(np.trapezoid(density * below, x))
        low, high = (middle, high) if crossings > false_per_year else (low, middle)
    return high
