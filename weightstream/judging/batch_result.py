"""What one batch of persons adds to the store and changes in it, ready to be written in parts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weightstream import schema
from weightstream.batch import Ints

Column: TypeAlias = npt.NDArray[Any] | pa.Array | str | int


@dataclass(frozen=True)
class Rows:
    """Columns of N rows, sorted by person; person u owns rows indptr[u]:indptr[u+1].

    A column that is a single value holds in every row.
    """

    indptr: Ints
    columns: Mapping[str, Column]

    def part(self, start: int, stop: int) -> dict[str, list[Any] | str | int]:
        """The rows of persons start:stop as Python lists, which is what SQLite binds."""
        rows = slice(int(self.indptr[start]), int(self.indptr[stop]))
        return {name: _listed(column, rows) for name, column in self.columns.items()}


def _listed(column: Column, rows: slice) -> list[Any] | str | int:
    if isinstance(column, pa.Array):
        return column.slice(rows.start, rows.stop - rows.start).to_pylist()
    return column if isinstance(column, str | int) else column[rows].tolist()


def rows_of(user: Ints, users: int, columns: Mapping[str, Column]) -> Rows:
    """Columns of N rows whose person (N,) is ascending, as Rows over `users` persons."""
    return Rows(np.searchsorted(user, np.arange(users + 1)), columns)


def nothing(users: int) -> Rows:
    """No rows."""
    return Rows(np.zeros(users + 1, np.int64), {})


@dataclass(frozen=True)
class BatchResult:
    """A batch of U persons after the filter.

    revisions: (U,) int64, the revision of each person that was read; 0 for a new one.
    recomputed: (U,) bool, the whole series was decided again, so level shifts are replaced.
    linked: (U,) bool, of whom records said something new, so what is set aside is replaced.
    """

    user_ids: tuple[str, ...]
    revisions: Ints
    recomputed: npt.NDArray[np.bool_]
    linked: npt.NDArray[np.bool_]
    measurements: Rows
    decisions: Rows  # new versions
    estimates: Rows  # figures of standing versions that moved
    users: Rows
    states: Rows
    shifts: Rows
    respelled: Rows  # stored measurements that came again in a smaller spelling
    net_accepted: Ints  # (U,) accepted now less accepted before, of the run's own rows
    outcome: Rows  # of each new measurement: index into OUTCOMES, its file, whose id it shares
    links: Rows  # what records said that the store did not know
    superseded: Rows  # readings that are no data, of persons of whom records said something new
    retro_counts_of: Ints | None = None  # (U, len(RETRO_COUNTS)) what retro did; None of an ingest

    @property
    def changed(self) -> npt.NDArray[np.bool_]:
        """(U,) whose series grew."""
        return np.diff(self.users.indptr) > 0

    def counts(self, start: int, stop: int, files: int) -> Ints:
        """(files, len(OUTCOMES)) int64: new measurements of persons start:stop."""
        rows = slice(int(self.outcome.indptr[start]), int(self.outcome.indptr[stop]))
        file, outcome = (np.asarray(self.outcome.columns[name]) for name in ("file", "outcome"))
        counts = np.zeros((files, len(schema.OUTCOMES)), np.int64)
        np.add.at(counts, (file[rows], outcome[rows]), 1)
        return counts

    def shared_ids(self, start: int, stop: int) -> Counter[tuple[int, str]]:
        """New measurements of persons start:stop whose source's id is that of others too, by file
        and source."""
        source = self.outcome.columns["shared"]
        if not isinstance(source, pa.Array):
            return Counter()
        rows = slice(int(self.outcome.indptr[start]), int(self.outcome.indptr[stop]))
        file = np.asarray(self.outcome.columns["file"])[rows].tolist()
        pairs = zip(file, source[rows].to_pylist(), strict=True)
        return Counter((number, name) for number, name in pairs if name)
