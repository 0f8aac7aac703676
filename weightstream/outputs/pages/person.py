"""The content of a person's page: measurements with their decisions, as columns."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from weightstream.judging.explanation import HUMAN_REASON_TEXTS, LIKELY, LOOKS_LIKE
from weightstream.movement import TABLE_DAYS, Floats, Process, variogram
from weightstream.outputs.goals import Goal
from weightstream.outputs.pages.changes import Change, direction
from weightstream.outputs.pages.co_users import CoUsers
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.outlook import Outlook

ACTIONS = {
    "accept": "set to accepted",
    "reject": "set to rejected",
    "assign": "moved here from another person",
}
"""What an override did to a measurement."""
VAGUE_SHARE = 0.1
"""A level whose interval is wider than this share of it is not well known: no change of it is."""
VERDICTS = ("accepted", "rejected", "undecided")
COPY_REASONS = frozenset({"repeat"})
"""A copy of a weighing is not an error: it is counted and drawn separately."""


@dataclass(frozen=True)
class Override:
    """An override of a measurement: accept, reject or assign, by whom, when (UTC), and why."""

    measurement_id: str
    action: str
    by: str
    at: str
    why: str


@dataclass(frozen=True)
class EarlierDecision:
    """A version of a decision that a later one has replaced."""

    measurement_id: str
    version: int
    stage: str
    verdict: str
    reason: str
    suggested_kg: float | None


@dataclass(frozen=True)
class Trend:
    """four_weeks: (3, N) float64, kg: at each reading the change of the level over the four weeks
    before, and its 95 % interval; NaN where it is not known. newest: until the newest level."""

    four_weeks: Floats
    newest: Sequence[Change] = ()


@dataclass(frozen=True)
class Person:
    """One person's measurements with their current decisions, sorted by time.

    columns: those of schema.EXPORT, each of N values (list or array), None or NaN where
    empty.
    day: (N,) float64, days since 1970 UTC. revision: of the series, in the store.
    shifts: confirmed level shifts: when (as effective_at), from which level, to which, in kg.
    trend: changes of the level, if known. outlook: where it goes from the newest one, if known.
    above: what each source shows above the level in the morning, kg. process: how weight moves,
    if known. false_alerts: how many unusual changes a year the alerts were set to, if known.
    shared: who else uses the account, if somebody seems to. goal: what they want to weigh.
    """

    user_id: str
    columns: Mapping[str, Sequence[Any]]
    day: npt.NDArray[np.float64]
    shifts: Sequence[tuple[str, float, float]] = ()
    overrides: Sequence[Override] = ()
    earlier: Sequence[EarlierDecision] = ()
    alerts: Sequence[Alert] = ()
    trend: Trend | None = None
    outlook: Outlook | None = None
    above: Mapping[str, float] = field(default_factory=dict)
    process: Process | None = None
    false_alerts: float | None = None
    shared: CoUsers | None = None
    goal: Goal | None = None
    revision: int = 0

    @cached_property
    def vague(self) -> bool:
        """Return whether the newest level is not well known, so that no change of it is told."""
        level, lo, hi = (
            np.asarray(self.columns[f"level{end}_kg"], np.float64) for end in ("", "_lo", "_hi")
        )
        known = np.flatnonzero(~np.isnan(level))
        if not len(known):
            return False
        newest = known[-1]
        return bool(hi[newest] - lo[newest] > VAGUE_SHARE * level[newest])

    @property
    def direction(self) -> tuple[str, Change] | None:
        """Return the direction of the level and the change that shows it; None for two persons, and
        for a level that is not well known."""
        if self.trend is None or self.vague or (self.shared is not None and self.shared.mixed):
            return None
        return direction(list(self.trend.newest))


def person_data(person: Person, timezone: str = "UTC") -> dict[str, Any]:
    """Return columns for figure.js and person.js, rounded to what can be seen.

    Texts that repeat are codes into a list; a code that all rows share is given once.
    Raises KeyError if a column of the export is missing.
    """
    column = person.columns
    sources, source = _by_frequency(column["source"])
    possibly = _possibly(column)
    named = [*(d.reason for d in person.earlier), *filter(None, possibly["second"])]
    reasons, reason = _coded(column["reason"], named)
    units, unit = _coded(column["raw_unit"])
    paths, path = _coded(column["file"])
    stages, stage = _coded(column["stage"], [d.stage for d in person.earlier])
    models, model = _coded(column["model"])
    return {
        "user": person.user_id,
        "zone": timezone,
        "time": _listed(column["effective_at"]),
        "sources": sources,
        "source": source,
        "verdicts": VERDICTS,
        "verdict": _same([_VERDICT_CODE.get(v, 2) for v in column["verdict"]]),
        "reasons": list(map(_reason_entry, reasons)),
        "reason": reason,
        "possibly": possibly | {"second": [_place(reasons, name) for name in possibly["second"]]},
        **_numbers(column),
        **_changes(person),
        **_usual(person, sources),
        **_zones(column),
        "raw": [_short(text) for text in _listed(column["raw_weight"])],
        "units": units,
        "unit": unit,
        "files": paths,
        "file": path,
        "line": _listed(column["line"]),
        "stages": stages,
        "stage": stage,
        "models": models,
        "model": model,
        "version": _same(_listed(column["version"])),
        "id": _listed(column["measurement_id"]),
        **_happenings(person, reasons, stages),
    }


_VERDICT_CODE = {name: code for code, name in enumerate(VERDICTS)}


def _reason_entry(name: str) -> tuple[str, str, str]:
    """Return a reason, its words, and its class: of a person, a copy, or the engine ("")."""
    words = HUMAN_REASON_TEXTS.get(name) or LOOKS_LIKE.get(name, "")
    kind = "person" if name in HUMAN_REASON_TEXTS else "copy" if is_copy(name) else ""
    return name, words, kind


def is_copy(reason: str | None) -> bool:
    """Return whether a reason says that the reading repeats another one."""
    return reason in COPY_REASONS


def _changes(person: Person) -> dict[str, Any]:
    """Return the change over four weeks at each reading, the newest changes, and a direction."""
    count = len(person.columns["measurement_id"])
    trend = person.trend or Trend(np.full((3, count), np.nan))
    said, shared = person.direction, person.shared
    return {
        **dict(zip(("change", "change_lo", "change_hi"), trend.four_weeks.round(2), strict=True)),
        "changes": {
            c.name: (c.since, round(c.days, 1), *(round(kg, 3) for kg in (c.kg, c.lo, c.hi)),
                     round(c.share, 5))
            for c in trend.newest
        },
        "direction": said and (said[0], said[1].name),
        "vague": person.vague,
        "shared": shared
        and (*(round(kg, 1) for kg in shared.kg), *shared.count, shared.since, shared.mixed),
    }  # fmt: skip


def _usual(person: Person, sources: Sequence[str]) -> dict[str, Any]:
    """Return the variance of a level's change by days (kg²), and what adds to a reading."""
    process = person.process
    return {
        "moved": process and {"days": TABLE_DAYS.tolist(), "kg2": variogram(process)},
        "evening": round(process.evening_kg, 2) if process else 0,
        "above": [round(person.above.get(name, 0.0), 2) for name in sources],
    }


def _zones(column: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the offsets from UTC with which times were received; None for those without."""
    texts = column.get("raw_time")
    if texts is None:
        return {"offsets": [None], "offset": 0}
    # A sign that far from the end is no part of a date; times with no offset are the many.
    ends = [t[-6:] if t and len(t) > 15 and (t[-6] in "+-" or t[-5] in "+-") else "" for t in texts]
    offsets, offset = _coded(ends)
    found = [_OFFSET.search(end) for end in offsets]
    return {"offsets": [match and match[0] for match in found], "offset": offset}


_OFFSET = re.compile(r"[+-]\d\d:?\d\d$")


FINE = {
    "weight_kg": "kg",
    "p_valid": "p",
    "level_kg": "level",
    "level_lo_kg": "level_lo",
    "level_hi_kg": "level_hi",
}
COARSE = {
    "expected_kg": "expected",
    "expected_lo_kg": "expected_lo",
    "expected_hi_kg": "expected_hi",
}
"""Columns of the export with three and with two digits, as a page calls them."""


def _numbers(column: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    suggested = _rounded(column["suggested_kg"], 2)
    rows = np.flatnonzero(~np.isnan(suggested))
    return {
        **_rounded_together(column, FINE, 3),
        **_rounded_together(column, COARSE, 2),
        "suggested": {"rows": rows, "kg": suggested[rows]},
    }


def _possibly(column: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return rows whose reason is only possibly the right one, with the next one, if known."""
    p_reason = np.asarray(column["p_reason"], np.float64)
    rows = np.flatnonzero(p_reason < LIKELY).tolist()
    return {
        "rows": rows,
        "second": [column["second_reason"][row] for row in rows],
        "p": _rounded([column["p_second"][row] for row in rows], 2),
    }


def _place(names: Sequence[str], name: str | None) -> int | None:
    return None if name is None else names.index(name)


def _rounded_together(
    column: Mapping[str, Sequence[Any]], names: Mapping[str, str], digits: int
) -> dict[str, Any]:
    """Round several columns at once: numpy takes longer to begin than to round a person's."""
    table = np.array([column[name] for name in names], np.float64).round(digits)
    return dict(zip(names.values(), table, strict=True))


def _happenings(person: Person, reasons: list[str], stages: list[str]) -> dict[str, Any]:
    """Return what only some persons have, as short lists; rows are indexes into the columns."""
    row: dict[str, int] = {}
    if person.overrides or person.earlier:
        row = {name: i for i, name in enumerate(_listed(person.columns["measurement_id"]))}
    outlook = person.outlook
    return {
        "goal": person.goal and (person.goal.kg, person.goal.by),
        "shifts": [(at, round(a, 2), round(b, 2)) for at, a, b in person.shifts],
        "overrides": [
            (row[o.measurement_id], ACTIONS[o.action], o.by, o.at, o.why)
            for o in person.overrides
            if o.measurement_id in row
        ],
        "earlier": [
            (
                row[d.measurement_id],
                d.version,
                stages.index(d.stage),
                _VERDICT_CODE.get(d.verdict, 2),
                reasons.index(d.reason),
                d.suggested_kg,
            )
            for d in person.earlier
            if d.measurement_id in row
        ],
        "alerts": [
            (
                *(a.at, a.kind, round(a.days, 1), round(a.change_kg, 2), round(a.probability, 3)),
                *(a.status, a.said),
            )
            for a in person.alerts
        ],
        "false_alerts": person.false_alerts,
        "outlook": outlook
        and {
            "days": outlook.days,
            "level": _rounded(outlook.level_kg, 2),
            "lo": _rounded(outlook.level_lo_kg, 2),
            "hi": _rounded(outlook.level_hi_kg, 2),
        },
    }


def _rounded(values: Sequence[Any], digits: int) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64).round(digits)


def _listed(values: Sequence[Any]) -> Any:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= 40 else text[:39] + "…"


def _coded(values: Sequence[Any], more: Sequence[Any] = ()) -> tuple[list[Any], Any]:
    """Return distinct values in order of appearance, and each row's index into them."""
    values = _listed(values)
    names = list(dict.fromkeys([*values, *more]))
    if len(names) == 1 < len(values):
        return names, 0
    index = {name: code for code, name in enumerate(names)}
    return names, _same([index[value] for value in values])


def _by_frequency(values: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the same as _coded, the most frequent first, which gets the first colour."""
    counts = Counter(values)
    names = sorted(counts, key=lambda name: (-counts[name], str(name)))
    index = {name: code for code, name in enumerate(names)}
    return names, _same([index[value] for value in values])


def _same(values: Any) -> Any:
    """Return one value instead of a column if all rows have it."""
    return values[0] if len(values) > 1 and len(set(values)) == 1 else values
