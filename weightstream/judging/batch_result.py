"""The result of judging a batch of persons: what to add to the store and what to change."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weightstream import schema
from weightstream.types import Bools, Ints

Column: TypeAlias = npt.NDArray[Any] | pa.Array | str | int


@dataclass(frozen=True)
class Rows:
    """Columns of N rows, sorted by person; person u owns rows indptr[u]:indptr[u+1].

    A column that is a single value holds in every row.
    """

    indptr: Ints
    columns: Mapping[str, Column]

    def part(self, start: int, stop: int) -> dict[str, list[Any] | str | int]:
        """Return the rows of persons start:stop as Python lists, which is what SQLite binds."""
        rows = slice(int(self.indptr[start]), int(self.indptr[stop]))
        return {name: _listed(column, rows) for name, column in self.columns.items()}


def _listed(column: Column, rows: slice) -> list[Any] | str | int:
    if isinstance(column, pa.Array):
        return column.slice(rows.start, rows.stop - rows.start).to_pylist()
    return column if isinstance(column, str | int) else column[rows].tolist()


def rows_of(user: Ints, users: int, columns: Mapping[str, Column]) -> Rows:
    """Return columns of N rows, whose person (N,) is ascending, as Rows over `users` persons."""
    return Rows(np.searchsorted(user, np.arange(users + 1)), columns)


def nothing(users: int) -> Rows:
    """Return no rows."""
    return Rows(np.zeros(users + 1, np.int64), {})


@dataclass(frozen=True)
class BatchResult:
    """A batch of U persons after the filter.

    revisions: (U,) int64, the revision of each person that was read; 0 for a new one.
    recomputed: (U,) bool, the whole series was decided again, so level shifts are replaced.
    linked: (U,) bool, whose records have new statements, so that `superseded` is replaced.
    """

    user_ids: tuple[str, ...]
    revisions: Ints
    recomputed: Bools
    linked: Bools
    measurements: Rows
    decisions: Rows  # new versions
    estimates: Rows  # current versions whose figures moved
    users: Rows
    states: Rows
    shifts: Rows
    judged_again: Rows  # KEY of stored measurements whose level shifts are replaced
    respelled: Rows  # stored measurements that arrived in a smaller spelling
    net_accepted: Ints  # (U,) accepted now less accepted before, of the run's own rows
    outcome: Rows  # of each new measurement: index into OUTCOMES, file, source if its id is shared
    links: Rows  # statements of records that are new
    superseded: Rows  # measurements of linked persons that are not current
    demographics: Rows  # of persons of whom more is known than is stored
    retro_counts_of: Ints | None = None  # (U, len(RETRO_COUNTS)); None of an ingest
    # (U, STATED) bool, what the run states contradicts what is stored; None: it states nothing
    contradictory: Bools | None = None

    @property
    def arrived(self) -> Bools:
        """Return (U,) of whom measurements or retractions came in."""
        return (np.diff(self.outcome.indptr) > 0) | self.linked

    @property
    def changed(self) -> Bools:
        """Return (U,) whose series changed."""
        return np.diff(self.users.indptr) > 0

    def counts(self, start: int, stop: int, files: int) -> Ints:
        """Count new measurements of persons start:stop: (files, len(OUTCOMES)) int64."""
        rows = slice(int(self.outcome.indptr[start]), int(self.outcome.indptr[stop]))
        file, outcome = (np.asarray(self.outcome.columns[name]) for name in ("file", "outcome"))
        counts = np.zeros((files, len(schema.OUTCOMES)), np.int64)
        np.add.at(counts, (file[rows], outcome[rows]), 1)
        return counts

    def shared_ids(self, start: int, stop: int) -> Counter[tuple[int, str]]:
        """Count new measurements of persons start:stop with a shared id, by file and source."""
        source = self.outcome.columns["shared"]
        if not isinstance(source, pa.Array):
            return Counter()
        rows = slice(int(self.outcome.indptr[start]), int(self.outcome.indptr[stop]))
        file = np.asarray(self.outcome.columns["file"])[rows].tolist()
        pairs = zip(file, source[rows].to_pylist(), strict=True)
        return Counter((number, name) for number, name in pairs if name)
