"""Counts over the whole store, by source and week; nothing in them names a person."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple

from weightstream.errors import StoreError
from weightstream.schema import Z50, Z95

HALF_OF_50 = Z50 / Z95
"""Half of a 50 % interval, in halves of a 95 % one."""


class ReadingTally(NamedTuple):
    """Readings of one source, week, verdict and reason.

    week: its Monday. verdict: accepted, rejected, or undecided. date_only: of them, those without
    an hour. compared: those with an expectation; inside_95, inside_50: of these, how many lay in
    that interval. difference, squares: sum of what they weighed more than expected (kg), and of
    its square; z_squares: of its square in SDs of the prediction.
    """

    source: str
    week: date
    verdict: str
    reason: str
    readings: int
    date_only: int
    compared: int
    inside_95: int
    inside_50: int
    difference: float
    squares: float
    z_squares: float


class QuarantineTally(NamedTuple):
    """Quarantined rows of one source, week (None: no usable time) and reason."""

    source: str
    week: date | None
    reason: str
    rows: int


class Revisions(NamedTuple):
    """Versions of earlier decisions that a run replaced, and what became of their verdicts."""

    run: int
    revised: int
    to_accepted: int
    to_rejected: int


# Weeks are counted from Monday, 1 January of the year 1 (Julian day 1721425.5).
_READINGS = f"""
select m.source, cast((julianday(substr(m.effective_at, 1, 10)) - 1721425.5) / 7 as integer),
  coalesce(d.verdict, 'undecided'), coalesce(d.reason, ''),
  count(*), sum(length(m.effective_at) = 10), count(d.expected_kg),
  coalesce(sum(abs(m.weight_kg - d.expected_kg) <= d.expected_margin_kg), 0),
  coalesce(sum(abs(m.weight_kg - d.expected_kg) <= d.expected_margin_kg * {HALF_OF_50}), 0),
  total(m.weight_kg - d.expected_kg),
  total((m.weight_kg - d.expected_kg) * (m.weight_kg - d.expected_kg)),
  total((m.weight_kg - d.expected_kg) * (m.weight_kg - d.expected_kg)
    / (d.expected_margin_kg * d.expected_margin_kg)) * 3.841458820694124
from measurements m
left join decisions d on d.user_id = m.user_id and d.effective_at = m.effective_at
  and d.measurement_id = m.measurement_id and d.version = (
    select max(version) from decisions v
    where v.user_id = m.user_id and v.effective_at = m.effective_at
      and v.measurement_id = m.measurement_id
  )
group by 1, 2, 3, 4
"""  # noqa: S608

_DAYS = """
select distinct source, substr(effective_at, 1, 10) from measurements order by 1, 2
"""

# Where the time is what is wrong, its week would be as wrong. The pattern: julianday() would also
# read numbers, and "now".
HAS_DAY = """reason not in ('bad_timestamp', 'too_old', 'future_timestamp')
    and time glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"""
"""SQL that tells whether the day of a quarantined row is known."""
_QUARANTINE = f"""
select coalesce(nullif(trim(source), ''), 'unknown'),
  case when {HAS_DAY}
    then cast((julianday(substr(time, 1, 10)) - 1721425.5) / 7 as integer) end,
  reason, count(*)
from quarantine group by 1, 2, 3
"""  # noqa: S608

_REVISIONS = """
select d.run, count(*),
  sum(d.verdict = 'accepted' and b.verdict <> 'accepted'),
  sum(d.verdict = 'rejected' and b.verdict <> 'rejected')
from decisions d
join decisions b on b.user_id = d.user_id and b.effective_at = d.effective_at
  and b.measurement_id = d.measurement_id and b.version = d.version - 1
where d.version > 1
group by d.run
"""

_RUNS = """
select id, kind, status, started_at, finished_at, coalesce(rows_in, 0), coalesce(accepted, 0),
  coalesce(rejected, 0), coalesce(duplicates, 0), coalesce(quarantined, 0), coalesce(excluded, 0),
  coalesce(failed, 0)
from runs order by id desc
"""
RUN_COLUMNS = (
    "run",
    "kind",
    "status",
    "started_at",
    "finished_at",
    "rows_in",
    "accepted",
    "rejected",
    "duplicates",
    "quarantined",
    "excluded",
    "failed",
)


def readings(connection: sqlite3.Connection) -> Iterator[ReadingTally]:
    """Count all measurements by their current decision. A million take about 3 s."""
    for source, week, *rest in connection.execute(_READINGS):
        if week is None:
            raise StoreError("a time in the store cannot be read; run `weightstream check`")
        yield ReadingTally(source, _monday(week), *rest)


def days(connection: sqlite3.Connection) -> dict[str, list[date]]:
    """Return by source the days on which it has readings, ascending."""
    found: dict[str, list[date]] = {}
    for source, day in connection.execute(_DAYS):
        with suppress(ValueError):
            found.setdefault(source, []).append(date.fromisoformat(day))
    return found


def quarantine(connection: sqlite3.Connection) -> Iterator[QuarantineTally]:
    for source, week, reason, rows in connection.execute(_QUARANTINE):
        yield QuarantineTally(source, None if week is None else _monday(week), reason, rows)


def revisions(connection: sqlite3.Connection) -> dict[int, Revisions]:
    """Return revisions by run, without runs that revised nothing."""
    return {row[0]: Revisions(*row) for row in connection.execute(_REVISIONS)}


def runs(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Return RUN_COLUMNS of every run, the newest first."""
    for row in connection.execute(_RUNS):
        yield dict(zip(RUN_COLUMNS, row, strict=True))


def _monday(week: int) -> date:
    return date.fromordinal(week * 7 + 1)
