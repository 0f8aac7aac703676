"""The change of a person's level over a time, with its 95 % interval."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from weightstream.movement import Bools, Floats, Ints, Process, kriged
from weightstream.schema import Z95

Estimate = tuple[Floats, Floats, Floats]
"""Values and both ends of their 95 % intervals."""

FOUR_WEEKS = 28.0
EIGHT_WEEKS = 56.0
YEAR = 365.0
LEAST_EIGHT_WEEKS = 42.0
"""A shorter series than eight weeks stands for them from so many days on."""
HALF_YEAR = 182.0
LEAST_HALF_YEAR = 120.0
"""The same for half a year."""
NOTABLE_SHARE = 0.03
"""A smaller change over half a year is weight maintenance (Stevens et al. 2006,
doi:10.1038/sj.ijo.0803175)."""
A_SECOND = 1.0 / 86_400.0
NEAR_DAYS, NEAR_SHARE = 14.0, 0.25
"""A change over some days is told if a reading lies near the time when they began: within so many
days, or that share of them. Without one it would be the model's alone."""
VISITS_APART = 7.0
"""Days between readings from which on each of them is a visit."""
SCALE_SD_KG = 0.2
"""In the interval of every level (engine.SCALE_SD_KG): what one scale is off. It is the same at
both ends of a change that one source shows."""


@dataclass(frozen=True)
class Change:
    """Level at the newest reading less the level `days` before it; kg, with its 95 % interval.

    name: "4 weeks", "8 weeks", "13 weeks", "26 weeks", "year", "visit" (the reading before) or
    "start". since: UTC date. share: of the level then.
    """

    name: str
    since: str
    days: float
    kg: float
    lo: float
    hi: float
    share: float

    @property
    def clear(self) -> bool:
        """Return whether the interval excludes 0."""
        return self.lo > 0.0 or self.hi < 0.0


@dataclass(frozen=True)
class Levels:
    """The K levels that are known of U persons, sorted by person and time.

    indptr: (U + 1,) int64, offsets of their levels. person: (K,) int64. day: (K,) float64, days
    since 1970 UTC. kg: (K,) float64. variance: (K,) float64, kg², of a level against the others of
    the person.
    """

    indptr: Ints
    person: Ints
    day: Floats
    kg: Floats
    variance: Floats

    @property
    def key(self) -> Floats:
        """Rises with person and time; to a tenth of a second with 1,000 persons."""
        return _key(self.person, self.day)


def levels(indptr: Ints, day: Floats, level: Estimate, one_source: Bools) -> Levels:
    """Take the rows of U persons that have a level.

    indptr: (U + 1,) offsets of their N rows. day: (N,). level: its kg, and the ends of its 95 %
    interval; NaN where there is none. one_source: (U,), whose readings are all of one source.
    """
    kg, lo, hi = level
    known = np.flatnonzero(~np.isnan(kg))
    person = np.searchsorted(indptr, known, side="right") - 1
    variance = np.nan_to_num(((hi[known] - lo[known]) / (2.0 * Z95)) ** 2)
    shared = np.where(one_source[person], SCALE_SD_KG**2, 0.0)
    own = np.searchsorted(known, indptr)
    return Levels(own, person, day[known], kg[known], np.maximum(variance - shared, 0.0))


def change_over(days: float, known: Levels, process: Process) -> Estimate:
    """Return (K,) arrays of kg: each level less that of `days` before it, and the 95 % interval.

    NaN where nothing was known so long ago.
    """
    return _changes(known, np.arange(len(known.day)), np.full(len(known.day), days), process)


def newest_changes(known: Levels, process: Process) -> list[list[Change]]:
    """Return for each person the changes of the level until the newest reading."""
    people = np.flatnonzero(np.diff(known.indptr) >= 2)
    times = [(person, *asked) for person in people.tolist() for asked in _times(known, person)]
    now = known.indptr[np.array([person + 1 for person, _, _ in times], np.int64)] - 1
    days = np.array([days for _, _, days in times], np.float64)
    found = _changes(known, now, days, process)
    ends = (values[now].tolist() for values in (known.kg, known.day))
    listed: list[list[Change]] = [[] for _ in range(len(known.indptr) - 1)]
    for (person, name, ago), kg, lo, hi, level, end in zip(
        times, *(values.tolist() for values in found), *ends, strict=True
    ):
        change = Change(name, _date(end - ago), ago, kg, lo, hi, kg / (level - kg))
        listed[person].append(change)
    return listed


def _times(known: Levels, person: int) -> list[tuple[str, float]]:
    """Over which days the changes of a person with two levels or more are asked for."""
    start, stop = int(known.indptr[person]), int(known.indptr[person + 1])
    day = known.day[start:stop]
    end = float(day[-1])
    span, visit = end - float(day[0]), end - float(day[-2])
    eight = min(EIGHT_WEEKS, span) if span >= LEAST_EIGHT_WEEKS else EIGHT_WEEKS
    half = min(HALF_YEAR, span) if span >= LEAST_HALF_YEAR else HALF_YEAR
    times = [("4 weeks", FOUR_WEEKS), ("8 weeks", eight)]
    times += [("13 weeks", HALF_YEAR / 2), ("26 weeks", half)]
    times += [("year", YEAR), ("start", span)]
    if VISITS_APART <= visit < span:
        times.append(("visit", visit))
    return [
        (name, days)
        for name, days in times
        if 0.0 < days <= span
        and np.abs(day - (end - days)).min() <= max(NEAR_DAYS, NEAR_SHARE * days)
    ]


def _changes(known: Levels, now: Ints, days: Floats, process: Process) -> Estimate:
    """Change of the level until each of the rows `now` over `days`, and its interval; (M,) each.

    Where no reading was made just then, the level of then is kriged from its neighbours, of which
    the second may be the level of now itself. Errors of levels at different readings are taken as
    independent: where readings are few they are alike, so the interval is rather too wide.
    """
    person, then = known.person[now], known.day[now] - days
    first = np.searchsorted(known.key, _key(person, then + A_SECOND), side="right") - 1
    unknown = first < known.indptr[person]
    first = np.maximum(first, known.indptr[person])
    second = np.minimum(first + 1, now)
    gap = known.day[second] - known.day[first]
    weight, left = kriged(np.clip(then - known.day[first], 0.0, gap), gap, process)
    change = known.kg[now] - (1.0 - weight) * known.kg[first] - weight * known.kg[second]
    itself = second == now
    own = np.where(itself, (1.0 - weight) ** 2, 1.0) * known.variance[now]
    other = np.where(itself, 0.0, weight**2) * known.variance[second]
    half = Z95 * np.sqrt(own + other + (1.0 - weight) ** 2 * known.variance[first] + left)
    change[unknown] = np.nan
    return change, change - half, change + half


def _key(person: Ints, day: Floats) -> Floats:
    return np.asarray(person * 1e6 + day, np.float64)


def _date(day: float) -> str:
    return f"{datetime.fromtimestamp(day * 86_400.0, UTC):%Y-%m-%d}"


def with_four_weeks(changes: list[Change], newest: Floats, level: float) -> list[Change]:
    """The changes, of which the one over four weeks is `newest`: kg, and its interval's ends.

    level: the newest, kg.
    """
    kg, lo, hi = newest.tolist()
    return [
        replace(one, kg=kg, lo=lo, hi=hi, share=kg / (level - kg)) if one.name == "4 weeks" else one
        for one in changes
    ]


def direction(changes: list[Change]) -> tuple[str, Change] | None:
    """Return the direction, "losing", "gaining" or "unclear", and the change that shows it.

    That is the change over four weeks if it is clear; else the one over eight weeks, if it is clear
    and the last four weeks continue it; else the one over half a year, if it is clear and notable,
    four weeks of it would not be seen, and the last 13 weeks continue it.
    If nobody was weighed then, it is the change since the visit before. None if none is known.
    """
    known = {change.name: change for change in changes}
    four, eight = known.get("4 weeks"), known.get("8 weeks")
    if four is None:
        four, eight = known.get("visit"), None
    if four is None:
        return None
    if four.clear:
        return ("gaining" if four.kg > 0 else "losing"), four
    if eight is not None and eight.clear and _continued(four, eight):
        return ("gaining" if eight.kg > 0 else "losing"), eight
    half, quarter = known.get("26 weeks"), known.get("13 weeks")
    if half is not None and half.clear and abs(half.share) >= NOTABLE_SHARE:
        unseen = abs(half.kg) * four.days / half.days < (four.hi - four.lo) / 2.0
        if unseen and quarter is not None and _continued(quarter, half):
            return ("gaining" if half.kg > 0 else "losing"), half
    return "unclear", four


def _continued(late: Change, whole: Change) -> bool:
    """Return whether the pace of a change is in the interval of its last part, and that is half of
    it at least."""
    steady = whole.kg * late.days / whole.days
    return late.lo <= steady <= late.hi and abs(late.kg) >= abs(steady) / 2.0
