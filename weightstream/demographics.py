"""Birth date and sex of persons, merged from everything that sources state about them.

For each of the two a person is in one of three states: nothing is known, one value is known, or the
statements contradict each other, and then none is used. Merging only ever moves a person forward
in that order, so the result depends neither on the order of statements nor on repetitions.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import SEXES
from weightstream.schema import DEMOGRAPHICS
from weightstream.types import Codes, Floats

CONTRADICTORY = "contradictory"
"""Stands for the value where statements contradict each other."""
MOST_ROWS = 100_000
"""Statements that are held before they are merged."""
STATED = ("birth_date", "sex")


def merge(statements: pa.Table) -> pa.Table:
    """Return DEMOGRAPHICS with one row per person, in the order of their ids.

    statements: DEMOGRAPHICS, any number of rows per person.
    """
    if not len(statements):
        return DEMOGRAPHICS.empty_table()
    ends = [(name, end) for name in STATED for end in ("min", "max")]
    found = statements.group_by("user_id", use_threads=False).aggregate(ends)
    columns = {"user_id": found["user_id"]}
    for name in STATED:
        low, high = found[f"{name}_min"], found[f"{name}_max"]
        columns[name] = pc.if_else(pc.equal(low, high), low, CONTRADICTORY)
    return pa.table(columns, schema=DEMOGRAPHICS).sort_by("user_id").combine_chunks()


class Statements:
    """Statements that are merged as they come, so that memory holds about one row per person."""

    def __init__(self) -> None:
        self._tables = [DEMOGRAPHICS.empty_table()]
        self._rows = 0

    def append(self, statements: pa.Table) -> None:
        self._tables.append(statements)
        self._rows += len(statements)
        if self._rows > MOST_ROWS + 2 * len(self._tables[0]):
            self.merged()

    def merged(self) -> pa.Table:
        """Return DEMOGRAPHICS with one row per person."""
        self._tables = [merge(pa.concat_tables(self._tables))]
        self._rows = len(self._tables[0])
        return self._tables[0]


def of_persons(user_ids: Sequence[str], known: pa.Table) -> pa.Table:
    """Return DEMOGRAPHICS of user_ids, in their order. known: of any persons, one row each."""
    ids = pa.array(user_ids, pa.string())
    if not len(known):
        nothing = pa.nulls(len(ids), pa.string())
        return pa.table([ids, nothing, nothing], schema=DEMOGRAPHICS)
    rows = known.take(pc.index_in(ids, known["user_id"].combine_chunks()))
    return rows.set_column(0, DEMOGRAPHICS.field(0), ids)


def born_days(people: pa.Table) -> Floats:
    """Return (U,) birth dates in days since 1970-01-01; NaN where none is used."""
    return _used(people["birth_date"]).cast(pa.date32()).cast(pa.int32()).to_numpy().astype(float)


def sex_codes(people: pa.Table) -> Codes:
    """Return (U,) indexes into SEXES; 0 where none is used."""
    codes = pc.index_in(people["sex"], pa.array(SEXES[1:])).fill_null(-1)
    return (codes.to_numpy() + 1).astype(np.int8)


def contradictions(people: pa.Table) -> dict[str, int]:
    """Return by column of STATED for how many persons statements contradict each other."""
    counts = {name: pc.sum(pc.equal(people[name], CONTRADICTORY)).as_py() for name in STATED}
    return {name: count for name, count in counts.items() if count}


def _used(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(texts, CONTRADICTORY), None, texts)
