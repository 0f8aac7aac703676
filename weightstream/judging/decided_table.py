"""A judged batch as one Arrow table, to travel: a row per person, what is theirs as lists."""

import json
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import pyarrow as pa

from weightstream.judging.decided import Column, Decided, Rows

CONSTANTS = b"constants"
"""Metadata: the columns that are one value for all rows, by field."""


def to_table(decided: Decided) -> pa.Table:
    """(U,) rows. A field of Rows is a list<struct> column; one without columns is left out,
    as is what is None."""
    columns: dict[str, pa.Array] = {}
    constants: dict[str, dict[str, str | int]] = {}
    for field in fields(Decided):
        value = getattr(decided, field.name)
        if value is None:
            continue
        if not isinstance(value, Rows):
            columns[field.name] = _array(value)
        elif value.columns:
            given = value.columns.items()
            single = {name: column for name, column in given if isinstance(column, str | int)}
            many = {name: pa.array(column) for name, column in given if name not in single}
            rows = pa.StructArray.from_arrays(list(many.values()), list(many))
            columns[field.name] = pa.LargeListArray.from_arrays(pa.array(value.indptr), rows)
            constants[field.name] = single
    columns["user_ids"] = columns["user_ids"].cast(pa.string())  # also where there is nobody
    return pa.table(columns).replace_schema_metadata({CONSTANTS: json.dumps(constants)})


def _array(values: Any) -> pa.Array:
    if np.ndim(values) == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pa.array(values)


def from_table(table: pa.Table) -> Decided:
    """What to_table was given."""
    constants = json.loads(table.schema.metadata[CONSTANTS])
    nothing = Rows(np.zeros(len(table) + 1, np.int64), {})
    values: dict[str, Any] = {}
    for field in fields(Decided):
        if field.name not in table.column_names:
            values[field.name] = nothing if field.default is MISSING else field.default
            continue
        column = table[field.name].combine_chunks()
        if pa.types.is_large_list(column.type):
            values[field.name] = _rows(column, constants[field.name])
        elif field.name == "user_ids":
            values[field.name] = tuple(column.to_pylist())
        elif pa.types.is_fixed_size_list(column.type):
            shape = len(table), column.type.list_size
            values[field.name] = column.flatten().to_numpy().reshape(shape)
        else:
            values[field.name] = column.to_numpy(zero_copy_only=False)
    return Decided(**values)


def _rows(column: pa.LargeListArray, constants: dict[str, str | int]) -> Rows:
    rows = column.flatten()
    names = [field.name for field in rows.type]
    columns: dict[str, Column] = {
        name: _column(values) for name, values in zip(names, rows.flatten(), strict=True)
    }
    lengths = column.value_lengths().to_numpy()
    return Rows(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), columns | constants)


def _column(values: pa.Array) -> Column:
    number = pa.types.is_floating(values.type) or pa.types.is_integer(values.type)
    plain = number and values.null_count == 0
    return values.to_numpy() if plain else values
