"""Persons as pages show them, from the judged measurements of a store or of a run without one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from weightstream.judging.causal import Judging
from weightstream.movement import Process
from weightstream.outputs.pages.changes import (
    FOUR_WEEKS,
    change_over,
    levels,
    newest_changes,
    with_four_weeks,
)
from weightstream.outputs.pages.co_users import co_users, without_swaps
from weightstream.outputs.pages.outlook import Outlook, outlook
from weightstream.outputs.pages.person import Person, Trend
from weightstream.outputs.watching import Watchers, expectations, watch
from weightstream.store.histories import Histories

Shift = tuple[str, float, float]
"""When (as effective_at), from which level, to which, in kg."""


def persons_of(
    found: Histories,
    judging: Judging,
    watchers: Watchers,
    shifts: Mapping[str, Sequence[Shift]],
) -> Iterator[Person]:
    """Yield the content of each person's page, except what only a store has.

    shifts: level shifts by person.
    """
    alerts = watch(found, judging, watchers)
    process = judging.parameters.process
    day = found.time_us / 86_400e6
    above = expectations(found, judging)
    each = zip(found.each(), alerts, trends(found, process), strict=True)
    for (name, rows), alerted, trend in each:
        columns = {key: column[rows] for key, column in found.columns.items()}
        shared = co_users(columns, day[rows])
        yield Person(
            name,
            columns,
            day[rows],
            clear_shifts(shifts.get(name, []), columns),
            alerts=without_swaps(alerted, shared, columns),
            trend=trend,
            outlook=None if shared and shared.mixed else _outlook(columns, process),
            above=above,
            process=process,
            false_alerts=watchers.config.false_alerts_per_year,
            shared=shared,
        )


def trends(found: Histories, process: Process) -> list[Trend]:
    """Return changes of each person's level, over four weeks at each reading, and until the newest.

    Over four weeks it is the engine's own, from the joint posterior of both ends, as exports have
    it; where it is not known, as in a store of an earlier version, that of the levels.
    """
    columns = found.columns
    level = (columns["level_kg"], columns["level_lo_kg"], columns["level_hi_kg"])
    one = [len(set(columns["source"][rows])) == 1 for _, rows in found.each()]
    known = levels(found.indptr, found.time_us / 86_400e6, level, np.array(one, bool))
    has_level = ~np.isnan(level[0])
    four_weeks = np.full((3, len(found.time_us)), np.nan)
    four_weeks[:, has_level] = change_over(FOUR_WEEKS, known, process)
    if "change_28d_kg" in columns:
        names = ("change_28d_kg", "change_28d_lo_kg", "change_28d_hi_kg")
        engines = np.array([columns[name] for name in names], np.float64)
        four_weeks = np.where(np.isnan(engines[0]), four_weeks, engines)
    at_levels = four_weeks[:, has_level]
    last = known.indptr[1:] - 1
    newest = [
        with_four_weeks(changes, at_levels[:, row], float(known.kg[row])) if changes else []
        for changes, row in zip(newest_changes(known, process), last.tolist(), strict=True)
    ]
    return [Trend(four_weeks[:, rows], newest[i]) for i, (_, rows) in enumerate(found.each())]


def clear_shifts(shifts: Sequence[Shift], columns: Mapping[str, Any]) -> list[Shift]:
    """Shifts whose levels differ by more than both are uncertain: later readings may have shown a
    confirmed one to be none."""
    if not shifts:
        return []
    row = {at: i for i, at in reversed([*enumerate(columns["effective_at"])])}
    clear = []
    for at, before, after in shifts:
        i = row.get(at, 0)
        some = [max(i - 1, 0), i]
        half = (columns["level_hi_kg"][some] - columns["level_lo_kg"][some]) / 2.0
        if not abs(after - before) <= float(np.hypot(*half)):
            clear.append((at, before, after))
    return clear


def _outlook(columns: Mapping[str, Any], process: Process) -> Outlook | None:
    """Project from the newest level in the store, which is that of retro, not of the filter."""
    known = np.flatnonzero(~np.isnan(columns["level_kg"]))
    if not len(known):
        return None
    names = ("level_kg", "level_lo_kg", "level_hi_kg", "trend_kg_per_week")
    level, lo, hi, per_week = (float(columns[name][known[-1]]) for name in names)
    return outlook(level, lo, hi, per_week, process)
