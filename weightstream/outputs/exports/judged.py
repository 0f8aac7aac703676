"""Judged measurements as the export's columns, where there is no store and so no runs."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.judging.explanation import EXPLAINED_BY, explain_rows
from weightstream.schema import EXPORT, OF_STORE

JUDGED = pa.schema([column for column in EXPORT if column.name not in OF_STORE])
"""The export's columns, but for those that only a store has."""

JUDGED_AS = ("accepted", "rejected")


def judged_table(
    rows: pa.Table, files: Sequence[str], overrides: pa.Table | None = None
) -> pa.Table:
    """JUDGED of the rows of a pipeline.JudgedBatch that are accepted or rejected, in their order.

    files: the name of each file of the run, by its number. overrides: measurement_id, action, by.
    """
    rows = rows.filter(pc.is_in(rows["outcome"], pa.array(JUDGED_AS)))
    names = pa.array(files, pa.string()).take(rows["file"].combine_chunks())
    columns = {name: rows[name] for name in JUDGED.names if name in rows.column_names}
    columns |= {"file": names, "explanation": explanations(rows)}
    if overrides is not None:
        at = pc.index_in(rows["measurement_id"], overrides["measurement_id"])
        columns |= {
            "override": overrides["action"].take(at),
            "override_by": overrides["by"].take(at),
        }
    arrays = [
        columns[field.name].cast(field.type)
        if field.name in columns
        else pa.nulls(len(rows), field.type)
        for field in JUDGED
    ]
    return pa.table(arrays, schema=JUDGED)


def explanations(rows: pa.Table) -> pa.Array:
    """One sentence for each rejected row of a table with verdict and EXPLAINED_BY; else null."""
    rejected = pc.equal(rows["verdict"], "rejected").combine_chunks()
    some = rows.select(EXPLAINED_BY).filter(rejected)
    sentences = pa.array(explain_rows(some.to_pydict(), range(len(some))), pa.string())
    return pc.replace_with_mask(pa.nulls(len(rows), pa.string()), rejected, sentences)
