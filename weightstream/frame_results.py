"""The result of `weightstream.clean` for each row of a frame, as Arrow tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.intake.cleaning import Cleaned
from weightstream.outputs.exports.judged import JUDGED, explanations
from weightstream.schema import EXPORT

NOT_SELECTED = "not_selected"
RETRACTED = "retracted"
BELOW_MIN_READINGS = "below_min_readings"
OTHER_MEASURE = "other_measure"
OF_FILES = ("file", "line")
INSTANT = pa.timestamp("us", "UTC")

RESULT = pa.schema(
    [
        pa.field("outcome", pa.string()),
        *map(EXPORT.field, ("measurement_id", "user_id")),
        pa.field("effective_at", INSTANT),
        pa.field("date_only", pa.bool_()),
        *map(EXPORT.field, ("source", "raw_weight", "raw_unit", "weight_kg")),
        *map(EXPORT.field, ("verdict", "reason", "explanation")),
        pa.field("detail", pa.string()),
    ]
)
RESULT = pa.schema([*RESULT, *(f for f in JUDGED if f.name not in {*RESULT.names, *OF_FILES})])
"""The columns of the result of `clean`: those of the export, except run and file."""

ROWS = RESULT.append(pa.field("row", pa.int64()))
"""RESULT, and the position of the row in the frame."""


def quarantined(cleaned: Cleaned) -> pa.Table:
    """Return ROWS of quarantined rows."""
    rows = cleaned.quarantine
    columns = {name: rows[name] for name in ("user_id", "source", "reason", "detail")}
    columns |= {"raw_weight": rows["weight"], "raw_unit": rows["unit"], "row": rows["line"]}
    return _rows(len(rows), columns | {"outcome": "quarantined"})


def excluded(rows: pa.Table, reason: str) -> pa.Table:
    """Return ROWS of measurements and retractions that are excluded.

    rows: schema.MEASUREMENT or schema.RETRACTION.
    """
    columns = {name: rows[name] for name in RESULT.names if name in rows.column_names}
    columns |= {"row": rows["line"], "outcome": "excluded", "reason": reason}
    return _rows(len(rows), columns | (_when(rows) if "time_us" in rows.column_names else {}))


def of_other_measures(keep: pa.BooleanArray | None) -> pa.Table:
    """Return ROWS of the rows of a long table that are not weighings. keep: those that are; None:
    all."""
    none = np.zeros(0, np.int64)
    rows = none if keep is None else np.flatnonzero(~keep.to_numpy(zero_copy_only=False))
    columns = {"row": pa.array(rows), "outcome": "excluded", "reason": OTHER_MEASURE}
    return _rows(len(rows), columns)


def judged(rows: pa.Table, overrides: pa.Table | None = None) -> pa.Table:
    """Return ROWS of a pipeline.JudgedBatch's rows."""
    columns = {name: rows[name] for name in RESULT.names if name in rows.column_names}
    few = pc.equal(rows["outcome"], "excluded")
    columns |= {"row": rows["line"], "explanation": explanations(rows), **_when(rows)}
    columns["reason"] = pc.if_else(few, BELOW_MIN_READINGS, rows["reason"])
    if overrides is not None:
        at = pc.index_in(rows["measurement_id"], overrides["measurement_id"])
        columns["override"] = overrides["action"].take(at)
        columns["override_by"] = overrides["by"].take(at)
    return _rows(len(rows), columns)


def in_frame_order(parts: list[pa.Table], count: int) -> pa.Table:
    """Return RESULT of all `count` rows of a frame, in the frame's order."""
    rows = pa.concat_tables([ROWS.empty_table(), *parts])
    order = np.empty(count, np.int64)
    order[rows["row"].to_numpy()] = np.arange(len(rows))
    return rows.select(RESULT.names).take(order)


def _when(rows: pa.Table) -> dict[str, Any]:
    """Return the instant of each measurement; for a date alone, midnight UTC of that day."""
    date_only = np.isnan(rows["hour"].to_numpy())
    time_us = rows["time_us"].to_numpy()
    if date_only.any():
        days = rows["effective_at"].filter(pa.array(date_only)).cast(pa.date32())
        time_us = time_us.copy()
        time_us[date_only] = days.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    return {"effective_at": pa.array(time_us).cast(INSTANT), "date_only": pa.array(date_only)}


def _rows(count: int, columns: Mapping[str, Any]) -> pa.Table:
    arrays = []
    for field in ROWS:
        value = columns.get(field.name)
        if value is None:
            arrays.append(pa.nulls(count, field.type))
        elif isinstance(value, str):
            arrays.append(pa.repeat(pa.scalar(value), count))
        else:
            arrays.append(value.cast(field.type))
    return pa.table(arrays, schema=ROWS)
