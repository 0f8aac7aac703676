"""Each person's outcomes on a day: level, change, loss with its probability, plateau.

Levels at a day are computed in levels_at. A change since the index date is normal with the sum of
the variances at both ends, but at most the process's variance for the time between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtr

from weightstream.engine import SCALE_SD_KG
from weightstream.engine.densities import Z95
from weightstream.engine.model import Process
from weightstream.levels_at import LevelSeries, level_at, readings_near, variogram
from weightstream.study_question import Question
from weightstream.types import Bools, Floats, Ints

LOSSES = (5, 10)
"""Percent of the index weight."""
STABLE_SHARE, STABLE_DAYS = 0.03, 84
"""Plateau: all later levels stay within 3 % of the level on its first day (weight maintenance:
Stevens 2006, Int J Obes 30:391), over at least 12 weeks."""
ENDS = ("", "_lo", "_hi")
_TEXT, _NUMBER, _DATE = pa.string(), pa.float64(), pa.date32()

OUTCOMES = pa.schema(
    [
        ("user_id", _TEXT),
        ("rule", _TEXT),
        ("at", _TEXT),
        ("index_date", _DATE),
        ("target_date", _DATE),
        ("readings", pa.int64()),
        *((f"index{end}_kg", _NUMBER) for end in ENDS),
        *((f"level{end}_kg", _NUMBER) for end in ENDS),
        *((f"change{end}_kg", _NUMBER) for end in ENDS),
        *((f"change{end}_pct", _NUMBER) for end in ENDS),
        *((f"p_loss_{loss}_pct", _NUMBER) for loss in LOSSES),
        ("plateau_date", _DATE),
        ("plateau_kg", _NUMBER),
        ("missing", _TEXT),
    ]
)
"""A row per person, rule and time; intervals are 95 %. readings: the number of accepted ones
within the window of the target. missing: why there is no outcome: MISSING."""
MISSING = (
    "no_index_date",
    "no_reading",
    "no_reading_at_index",
    "before_index",
    "no_reading_at_target",
)


@dataclass(frozen=True)
class Persons:
    """The U persons of a question, and the N rows of cleaned.judged_of.

    row_user: (N,) int64, the person of each row, ascending; -1: not in the question. day: (N,)
    float64, days since 1970-01-01 UTC. index_day: (U,) float64, noon of the given date, NaN where
    it is missing; None: no dates were given.
    """

    user_ids: list[str]
    row_user: Ints
    day: Floats
    index_day: Floats | None

    def level_series(self, counts: Bools, kg: Floats, sd: Floats | None = None) -> LevelSeries:
        """Return the values of these persons in the rows that `counts`, (N,), selects."""
        rows = np.flatnonzero(counts & (self.row_user >= 0) & np.isfinite(kg))
        indptr = np.searchsorted(self.row_user[rows], np.arange(len(self.user_ids) + 1))
        return LevelSeries(indptr, self.day[rows], kg[rows], None if sd is None else sd[rows])


def persons_of(table: pa.Table, index: Mapping[str, date | None] | None) -> Persons:
    """Return the persons of cleaned.judged_of, or those of an index, even without readings."""
    codes = table["user_id"].combine_chunks().dictionary_encode()
    known, row_user = codes.dictionary.to_pylist(), codes.indices.to_numpy().astype(np.int64)
    day = table["effective_at"].cast(pa.int64()).to_numpy() / 86_400e6
    if index is None:
        return Persons(known, row_user, day, None)
    users = sorted(index, key=str.encode)
    number = {user: at for at, user in enumerate(users)}
    asked = np.array([number.get(user, -1) for user in known], np.int64)
    row_user = asked[row_user] if len(known) else row_user
    return Persons(users, row_user, day, np.array([noon_of(index[user]) for user in users]))


def noon_of(day: date | None) -> float:
    if day is None:
        return np.nan
    return day.toordinal() - date(1970, 1, 1).toordinal() + 0.5


def levels_of(table: pa.Table, persons: Persons) -> LevelSeries:
    """Return the levels at accepted readings, without the scale's own offset, which both ends
    share."""
    level, low, high = (table[f"level{end}_kg"].to_numpy() for end in ENDS)
    sd = np.sqrt(np.maximum(((high - low) / (2.0 * Z95)) ** 2 - SCALE_SD_KG**2, 0.0))
    accepted = table["rejected"].to_numpy() == 0
    return persons.level_series(accepted & np.isfinite(sd), level, sd)


@dataclass(frozen=True)
class Change:
    """Levels of U persons at the index date and on the target, and SDs, kg; NaN if missing.

    SDs are 0 for readings as they are. missing: (U,) of MISSING, or empty.
    """

    start: Floats
    target: Floats
    index_kg: Floats
    index_sd: Floats
    level_kg: Floats
    level_sd: Floats
    change_sd: Floats
    missing: np.ndarray[Any, np.dtype[np.str_]]


def change_by(persons: Persons, series: LevelSeries, at: int | date, question: Question) -> Change:
    """Return the change of each person until a time, from the values of `series`."""
    start = series.first_day() if persons.index_day is None else persons.index_day
    target = np.full(len(start), noon_of(at)) if isinstance(at, date) else start + at
    no_date = np.isnan(start) if persons.index_day is not None else np.zeros(len(start), bool)
    missing = _missing(series, start, target, question.window, no_date)
    index_kg, index_sd, level_kg, level_sd, change_sd = (
        np.where(missing == "", one, np.nan)
        for one in _ends(series, start, target, question.process)
    )
    return Change(start, target, index_kg, index_sd, level_kg, level_sd, change_sd, missing)


def _ends(
    series: LevelSeries, start: Floats, target: Floats, process: Process
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the levels and SDs of a Change."""
    index_kg, index_sd = level_at(series, start, process)
    level_kg, level_sd = level_at(series, target, process)
    moved = variogram(np.abs(target - start), index_kg, process)
    change_sd = np.sqrt(np.minimum(index_sd**2 + level_sd**2, moved))
    return index_kg, index_sd, level_kg, level_sd, change_sd


def _missing(
    series: LevelSeries, start: Floats, target: Floats, window: int | None, no_date: Bools
) -> np.ndarray[Any, np.dtype[np.str_]]:
    if window is None:
        first, last = np.floor(series.first_day()), np.floor(series.last_day())
        off_index = (np.floor(start) < first) | (np.floor(start) > last)
        off_target = np.floor(target) > last
    else:
        off_index = readings_near(series, start, window) == 0
        off_target = readings_near(series, target, window) == 0
    faults = [
        no_date,
        np.diff(series.indptr) == 0,
        off_index,
        np.floor(target) < np.floor(start),
        off_target,
    ]
    return np.select(faults, MISSING, "")


def rows_of(
    rule: str, persons: Persons, series: LevelSeries, at: int | date, question: Question
) -> pa.Table:
    """Return OUTCOMES at one time under one rule."""
    change = change_by(persons, series, at, question)
    near = readings_near(series, change.target, question.window or 0)
    plateau_day, plateau_kg = plateaus(series, change.start)
    more = {
        "readings": None if question.window is None else near,
        "plateau_date": _dates(plateau_day),
        "plateau_kg": plateau_kg,
    }
    return table_of(rule, persons, at, change, more, certain=series.sd is None)


def table_of(
    rule: str,
    persons: Persons,
    at: int | date,
    change: Change,
    more: Mapping[str, Any],
    certain: bool,
) -> pa.Table:
    """Return OUTCOMES of a change and other columns. certain: without intervals."""
    columns = {
        "user_id": persons.user_ids,
        "rule": rule,
        "at": str(at),
        "index_date": _dates(change.start),
        "target_date": _dates(change.target),
        "missing": [word or None for word in change.missing.tolist()],
        **estimates(change, certain),
        **more,
    }
    rows, arrays = len(persons.user_ids), []
    for field in OUTCOMES:
        value = columns.get(field.name)
        if value is None or isinstance(value, str):
            arrays.append(pa.repeat(pa.scalar(value, field.type), rows))
        else:
            arrays.append(pa.array(value, field.type, from_pandas=True))
    return pa.table(arrays, schema=OUTCOMES)


def estimates(change: Change, certain: bool) -> dict[str, Floats]:
    """Return the columns of OUTCOMES in kg, percent and probability. certain: without intervals."""
    moved = change.level_kg - change.index_kg
    ratio = change.level_kg / change.index_kg
    relative_sd = np.minimum(
        np.hypot(change.level_sd / change.level_kg, change.index_sd / change.index_kg) * ratio,
        change.change_sd / change.index_kg
        + np.abs(ratio - 1.0) * change.index_sd / change.index_kg,
    )
    middles = {
        "index{}_kg": (change.index_kg, np.hypot(change.index_sd, SCALE_SD_KG)),
        "level{}_kg": (change.level_kg, np.hypot(change.level_sd, SCALE_SD_KG)),
        "change{}_kg": (moved, change.change_sd),
        "change{}_pct": (100.0 * (ratio - 1.0), 100.0 * relative_sd),
    }
    columns = {}
    for name, (middle, sd) in middles.items():
        columns[name.format("")] = middle
        if not certain:
            columns[name.format("_lo")] = middle - Z95 * sd
            columns[name.format("_hi")] = middle + Z95 * sd
    return columns | {f"p_loss_{loss}_pct": p_loss(change, loss / 100.0) for loss in LOSSES}


def p_loss(change: Change, share: float) -> Floats:
    """Return the probability of losing at least this share of the index weight.

    Without an SD it is 0 or 1.
    """
    left = (1.0 - share) * change.index_kg - change.level_kg
    sd = np.minimum(
        np.hypot(change.level_sd, (1.0 - share) * change.index_sd),
        change.change_sd + share * change.index_sd,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(sd > 0.0, ndtr(left / sd), (left >= 0.0).astype(np.float64))
    return np.where(np.isnan(left), np.nan, p)


def plateaus(series: LevelSeries, start: Floats) -> tuple[Floats, Floats]:
    """Return the day from which each person's level is stable, and its mean from then on, kg.

    start: (U,) days; earlier values do not count. NaN if there is no plateau: see STABLE_SHARE.
    """
    day, kg = np.full((2, len(start)), np.nan)
    for user, (a, b) in enumerate(zip(series.indptr[:-1], series.indptr[1:], strict=True)):
        first = a + int(np.searchsorted(series.day[a:b], np.floor(start[user])))
        values, days = series.kg[first:b], series.day[first:b]
        if not len(values):
            continue
        highest = np.maximum.accumulate(values[::-1])[::-1]
        lowest = np.minimum.accumulate(values[::-1])[::-1]
        stable = np.maximum(highest - values, values - lowest) < STABLE_SHARE * values
        found = np.flatnonzero(stable & (days[-1] - days >= STABLE_DAYS))
        if len(found):
            day[user], kg[user] = days[found[0]], values[found[0] :].mean()
    return day, kg


def _dates(day: Floats) -> pa.Array:
    known = np.isfinite(day)
    whole = np.floor(np.where(known, day, 0.0)).astype(np.int32)
    return pc.if_else(pa.array(known), pa.array(whole).cast(_DATE), pa.scalar(None, _DATE))
