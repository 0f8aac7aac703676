"""Judged measurements as the export's columns, where there is no store and so no runs."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.judging.explanation import EXPLAINED_BY, explain_rows

_TEXT, _NUMBER = pa.string(), pa.float64()

JUDGED = pa.schema(
    [
        ("measurement_id", _TEXT),
        ("user_id", _TEXT),
        ("effective_at", _TEXT),
        ("source", _TEXT),
        ("raw_weight", _TEXT),
        ("raw_unit", _TEXT),
        ("weight_kg", _NUMBER),
        ("verdict", _TEXT),
        ("reason", _TEXT),
        ("p_reason", _NUMBER),
        ("p_valid", _NUMBER),
        ("expected_kg", _NUMBER),
        ("expected_lo_kg", _NUMBER),
        ("expected_hi_kg", _NUMBER),
        ("level_kg", _NUMBER),
        ("level_lo_kg", _NUMBER),
        ("level_hi_kg", _NUMBER),
        ("trend_kg_per_week", _NUMBER),
        ("change_28d_kg", _NUMBER),
        ("change_28d_lo_kg", _NUMBER),
        ("change_28d_hi_kg", _NUMBER),
        ("suggested_kg", _NUMBER),
        ("stage", _TEXT),
        ("model", _TEXT),
        ("file", _TEXT),
        ("line", pa.int64()),
        ("explanation", _TEXT),
        ("override", _TEXT),
        ("override_by", _TEXT),
    ]
)
"""The export's columns but version and run_id, which only a store has."""

JUDGED_AS = ("accepted", "rejected")


def judged_table(
    rows: pa.Table, files: Sequence[str], overrides: pa.Table | None = None
) -> pa.Table:
    """JUDGED of the rows of a pipeline.JudgedBatch that are accepted or rejected, in their order.

    files: the name of each file of the run, by its number. overrides: measurement_id, action, by.
    """
    rows = rows.filter(pc.is_in(rows["outcome"], pa.array(JUDGED_AS)))
    names = pa.array(files, _TEXT).take(rows["file"].combine_chunks())
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
    sentences = pa.array(explain_rows(some.to_pydict(), range(len(some))), _TEXT)
    return pc.replace_with_mask(pa.nulls(len(rows), _TEXT), rejected, sentences)
