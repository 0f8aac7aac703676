"""How good the data of each source is, week by week, and what of it passes a limit.

The words are those of Kahn et al. 2016 (doi:10.13063/2327-9214.1244). Conformance: values are
written as they should be. Completeness: they are there. Plausibility: they can be believed, each by
itself, in time, and beside the others.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt
from typing import Any

from weightstream.config import Quality
from weightstream.judging.decisions import MOVED
from weightstream.store import tallies

CONFORMANCE = ("not_body_weight", "unknown_unit", "bad_number", "bad_timestamp")
COMPLETENESS = ("missing_field",)
PLAUSIBILITY = ("too_old", "future_timestamp")
"""Reasons of quarantine by what they say of the data; those of rejection are of plausibility."""

WITHDRAWN = ("superseded", "retracted")
NEWEST_RUNS = 50


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
        """Stored or quarantined; duplicates and excluded rows are known by file only."""
        return self.readings + self.quarantined.total()

    @property
    def withdrawn(self) -> int:
        """Readings that their source corrected or took back: nothing that it got wrong stands."""
        return sum(self.rejected[reason] for reason in WITHDRAWN)

    @property
    def mean_difference(self) -> float | None:
        return self.difference / self.compared if self.compared else None

    @property
    def error_of_mean(self) -> float:
        """Standard error of mean_difference, as if readings were independent; kg."""
        if self.compared < 2:
            return float("inf")
        variance = self.squares / self.compared - (self.difference / self.compared) ** 2
        return sqrt(max(variance, 0.0) / self.compared)

    def take_in(self, found: tallies.ReadingTally) -> None:
        self.date_only += found.date_only
        if found.verdict in ("rejected", MOVED):  # moved: a person said that it is another's
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
    those of tallies.Revisions. rows_in, duplicates: of all ingests.
    """

    weeks: Mapping[str, Mapping[date | None, Tally]]
    runs: list[dict[str, Any]]
    rows_in: int
    duplicates: int

    @property
    def newest_week(self) -> date | None:
        return max((week for weeks in self.weeks.values() for week in weeks if week), default=None)

    def of(self, source: str, since: date | None = None, before: date | None = None) -> Tally:
        """All of a source's weeks, or those from `since` on, or those before `before`."""
        return total(
            tally
            for week, tally in self.weeks[source].items()
            if (since is None or (week is not None and week >= since))
            and (before is None or (week is not None and week < before))
        )


def total(some: Iterable[Tally]) -> Tally:
    return sum(some, Tally())


def measure(connection: sqlite3.Connection) -> Measured:
    """Count what the store holds; its memory is that of the sources' weeks, not of the readings."""
    weeks: defaultdict[str, defaultdict[date | None, Tally]] = defaultdict(
        lambda: defaultdict(Tally)
    )
    for found in tallies.readings(connection):
        weeks[found.source][found.week].take_in(found)
    known = {week for some in weeks.values() for week in some}
    for row in tallies.quarantine(connection):
        # A week in which nobody weighed himself is more likely a wrong year.
        week = row.week if row.week in known else None
        weeks[row.source][week].quarantined[row.reason] += row.rows
    rows = {source: total(some.values()).rows for source, some in weeks.items()}
    ordered = sorted(weeks, key=lambda source: (-rows[source], source))
    runs = list(tallies.runs(connection))
    revised = tallies.revisions(connection)
    newest = [run | _revision(revised.get(run["run"])) for run in runs[:NEWEST_RUNS]]
    rows_in, duplicates = (sum(run[key] for run in runs) for key in ("rows_in", "duplicates"))
    return Measured({source: weeks[source] for source in ordered}, newest, rows_in, duplicates)


def _revision(found: tallies.Revisions | None) -> dict[str, int]:
    revised, to_accepted, to_rejected = found[1:] if found else (0, 0, 0)
    return {"revised": revised, "to_accepted": to_accepted, "to_rejected": to_rejected}


def drift(measured: Measured, source: str, limits: Quality) -> tuple[float, float] | None:
    """Mean difference in the checked weeks less that of the weeks before, kg; its standard error.

    None where either has too few readings to say.
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
    """The first Monday of the weeks that are checked; None: all are."""
    if not limits.weeks or measured.newest_week is None:
        return None
    return measured.newest_week - timedelta(weeks=limits.weeks - 1)


def breaches(measured: Measured, limits: Quality) -> list[str]:
    """One sentence for each limit that is passed."""
    since = checked_since(measured, limits)
    said = _newest_ingest(measured, limits)
    for source in measured.weeks:
        tally = measured.of(source, since=since)
        if tally.rows >= limits.min_readings:
            said += [f"{source}: {why}" for why in _of_source(tally, limits)]
            said += [f"{source}: {why}" for why in _of_drift(measured, source, limits)]
    return said


def _newest_ingest(measured: Measured, limits: Quality) -> list[str]:
    newest = next(
        (run for run in measured.runs if run["kind"] == "ingest" and run["rows_in"]), None
    )
    if newest is None:
        return []
    share = newest["quarantined"] / newest["rows_in"]
    if share <= limits.max_quarantined:
        return []
    return [
        f"the newest ingest: {share:.1%} of {newest['rows_in']:,} rows were quarantined; "
        f"quality.max_quarantined is {limits.max_quarantined:.1%}"
    ]


def _of_source(tally: Tally, limits: Quality) -> list[str]:
    said = []
    for what, count, among, key in (
        ("rows were quarantined", tally.quarantined.total(), tally.rows, "max_quarantined"),
        (
            "readings were rejected",
            tally.rejected.total() - tally.withdrawn,
            tally.readings - tally.withdrawn,
            "max_rejected",
        ),
    ):
        most = getattr(limits, key)
        if among and count / among > most:
            said.append(f"{count / among:.1%} of {among:,} {what}; quality.{key} is {most:.1%}")
    if tally.compared < limits.min_readings:
        return said
    for percent, inside in ((95, tally.inside_95), (50, tally.inside_50)):
        share, key = inside / tally.compared, f"coverage_{percent}_tolerance"
        if abs(share - percent / 100) > getattr(limits, key):
            said.append(
                f"{share:.1%} of {tally.compared:,} accepted readings lie in their {percent} % "
                f"interval; quality.{key} is {getattr(limits, key):.1%}"
            )
    difference = tally.mean_difference or 0.0
    if abs(difference) > limits.max_difference_kg:
        said.append(
            f"accepted readings are {difference:+.2f} kg from what was expected, on average; "
            f"quality.max_difference_kg is {limits.max_difference_kg:g}; "
            "`weightstream learn` learns the biases of sources"
        )
    return said


def _of_drift(measured: Measured, source: str, limits: Quality) -> list[str]:
    found = drift(measured, source, limits)
    if found is None or abs(found[0]) <= max(limits.max_drift_kg, 2.0 * found[1]):
        return []
    return [
        f"the average difference from what was expected changed by {found[0]:+.2f} kg against the "
        f"weeks before; quality.max_drift_kg is {limits.max_drift_kg:g}"
    ]
