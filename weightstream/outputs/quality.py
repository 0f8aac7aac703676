"""The data quality of each source, week by week.

The terms are those of Kahn et al. 2016 (doi:10.13063/2327-9214.1244). Conformance: values are
written as they should be. Completeness: they are present. Plausibility: they are credible, by
themselves, over time, and compared with others.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from typing import Any

from weightstream.config import Quality
from weightstream.judging.decisions import MOVED
from weightstream.store import tallies

CONFORMANCE = ("not_body_weight", "unknown_unit", "bad_number", "bad_timestamp")
COMPLETENESS = ("missing_field",)
PLAUSIBILITY = ("too_old", "future_timestamp")
"""Reasons of quarantine by quality term; reasons of rejection belong to plausibility."""

WITHDRAWN = ("superseded", "retracted")
COPY_REASONS = ("repeat",)
NEWEST_RUNS = 50
RUNS_END_WITHIN = timedelta(days=1)


@dataclass
class Tally:
    """Counts of one source's rows, of one week or several; they can be added.

    rejected, quarantined: by reason. compared, inside_95, inside_50: accepted readings that had
    an expectation, and of these those inside its interval. difference, squares, z_squares: sums
    over these of what they weighed more than expected (kg), its square, and its square in SDs.
    """

    accepted: int = 0
    undecided: int = 0
    date_only: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    inside_95: int = 0
    inside_50: int = 0
    difference: float = 0.0
    squares: float = 0.0
    z_squares: float = 0.0

    @property
    def readings(self) -> int:
        return self.accepted + self.undecided + self.rejected.total()

    @property
    def rows(self) -> int:
        """Return stored and quarantined rows; others are known only by file."""
        return self.readings + self.quarantined.total()

    @property
    def withdrawn(self) -> int:
        """Return readings that their source corrected or retracted: no longer its errors."""
        return sum(self.rejected[reason] for reason in WITHDRAWN)

    @property
    def copies(self) -> int:
        """Return copies of weighings, which are not errors."""
        return sum(self.rejected[reason] for reason in COPY_REASONS)

    @property
    def errors(self) -> int:
        """Return readings that were rejected for their value."""
        return self.rejected.total() - self.withdrawn - self.copies

    @property
    def judged(self) -> int:
        """Return readings that could be rejected for their value."""
        return self.readings - self.withdrawn - self.copies

    @property
    def mean_difference(self) -> float | None:
        return self.difference / self.compared if self.compared else None

    @property
    def error_of_mean(self) -> float:
        """Return the standard error of mean_difference, kg, as if readings were independent."""
        if self.compared < 2:
            return float("inf")
        variance = self.squares / self.compared - (self.difference / self.compared) ** 2
        return sqrt(max(variance, 0.0) / self.compared)

    def take_in(self, found: tallies.ReadingTally) -> None:
        self.date_only += found.date_only
        if found.verdict in ("rejected", MOVED):  # moved: a reviewer assigned it to another person
            self.rejected[found.reason] += found.readings
            return
        if found.verdict != "accepted":
            self.undecided += found.readings
            return
        self.accepted += found.readings
        for name in ("compared", "inside_95", "inside_50", "difference", "squares", "z_squares"):
            setattr(self, name, getattr(self, name) + getattr(found, name))

    def __add__(self, other: "Tally") -> "Tally":
        names = self.__dataclass_fields__
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class Measured:
    """What the store holds. weeks: by source and Monday; None: rows whose week is not known.

    The source with most rows is first. runs: the NEWEST_RUNS newest, as tallies.RUN_COLUMNS and
    those of tallies.Revisions. rows_in, duplicates: of all ingests. days: by source, on which it
    has readings, ascending. asked: when the store was looked at.
    """

    weeks: Mapping[str, Mapping[date | None, Tally]]
    runs: list[dict[str, Any]]
    rows_in: int
    duplicates: int
    days: Mapping[str, Sequence[date]] = field(default_factory=dict)
    asked: datetime | None = None

    @property
    def newest_week(self) -> date | None:
        return max((week for weeks in self.weeks.values() for week in weeks if week), default=None)

    def of(self, source: str, since: date | None = None, before: date | None = None) -> Tally:
        """Return the sum of a source's weeks: all, or since, or before, a Monday."""
        return total(
            tally
            for week, tally in self.weeks[source].items()
            if (since is None or (week is not None and week >= since))
            and (before is None or (week is not None and week < before))
        )


def total(some: Iterable[Tally]) -> Tally:
    return sum(some, Tally())


def measure(connection: sqlite3.Connection, asked: datetime | None = None) -> Measured:
    """Count what the store holds; its memory is that of the sources' weeks, not of the readings.

    asked: the time of now, UTC; else the clock says it.
    """
    asked = asked or datetime.now(UTC)
    weeks: defaultdict[str, defaultdict[date | None, Tally]] = defaultdict(
        lambda: defaultdict(Tally)
    )
    for found in tallies.readings(connection):
        weeks[found.source][found.week].take_in(found)
    known = {week for some in weeks.values() for week in some}
    for row in tallies.quarantine(connection):
        # A week without weighings before it is more likely a wrong year.
        week = row.week if row.week in known else None
        weeks[row.source][week].quarantined[row.reason] += row.rows
    rows = {source: total(some.values()).rows for source, some in weeks.items()}
    ordered = sorted(weeks, key=lambda source: (-rows[source], source))
    runs = list(tallies.runs(connection))
    revised = tallies.revisions(connection)
    newest = [
        run | {"state": _state(run, runs[:number], asked)} | _revision(revised.get(run["run"]))
        for number, run in enumerate(runs[:NEWEST_RUNS])
    ]
    rows_in, duplicates = (sum(run[key] for run in runs) for key in ("rows_in", "duplicates"))
    days = tallies.days(connection)
    by_source = {source: weeks[source] for source in ordered}
    return Measured(by_source, newest, rows_in, duplicates, days, asked)


def _state(run: Mapping[str, Any], newer: Sequence[Mapping[str, Any]], asked: datetime) -> str:
    """Return how a run ended. A killed run is recognised by its age, or by a newer run of its kind
    that has ended."""
    if run["status"] != "running":
        return str(run["status"])
    started = datetime.fromisoformat(run["started_at"])
    ended = any(one["kind"] == run["kind"] and one["status"] != "running" for one in newer)
    return "never ended" if ended or asked - started > RUNS_END_WITHIN else "under way"


def _revision(found: tallies.Revisions | None) -> dict[str, int]:
    revised, to_accepted, to_rejected = found[1:] if found else (0, 0, 0)
    return {"revised": revised, "to_accepted": to_accepted, "to_rejected": to_rejected}


def drift(measured: Measured, source: str, limits: Quality) -> tuple[float, float] | None:
    """Return the mean difference in the checked weeks minus that before, kg, and its standard
    error.

    None if either has too few readings.
    """
    since = checked_since(measured, limits)
    if since is None:
        return None
    now, before = measured.of(source, since=since), measured.of(source, before=since)
    if min(now.compared, before.compared) < limits.min_readings:
        return None
    change = now.difference / now.compared - before.difference / before.compared
    return change, sqrt(now.error_of_mean**2 + before.error_of_mean**2)


def checked_since(measured: Measured, limits: Quality) -> date | None:
    """Return the first Monday of the checked weeks; None if all are checked."""
    if not limits.weeks or measured.newest_week is None:
        return None
    return measured.newest_week - timedelta(weeks=limits.weeks - 1)
