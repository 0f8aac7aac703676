"""Parquet: tables with the columns of our CSV, whatever types they have."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from weightstream import schema
from weightstream.errors import InputError
from weightstream.readers import delimited
from weightstream.readers.block import Block, Parse, ReadOptions, raw_table
from weightstream.readers.source import Source, local_file

_MAGIC = b"PAR1"
_ROWS = 65_536


def recognise(head: bytes, name: str) -> bool:
    """By its first four bytes."""
    return head.startswith(_MAGIC)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. Columns are found as in CSV; `line` is the row's position."""
    with local_file(source) as path:
        try:
            table = parquet.ParquetFile(path)
            header = delimited.header_of(table.schema_arrow.names, 0, source, options)
            names = {field: table.schema_arrow.names[at] for field, at in header.columns.items()}
            position = 1
            for batch in table.iter_batches(_ROWS, columns=list(names.values())):
                yield partial(_block, batch, names, header, position)
                position += len(batch)
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            raise InputError(f"{source} is damaged or cut off Parquet; fetch it again") from None


def _block(
    batch: pa.RecordBatch, names: dict[str, str], header: delimited.Header, position: int
) -> Block:
    columns = {field: texts_of(batch.column(name)) for field, name in names.items()}
    for field, value in header.constants.items():
        columns[field] = pa.repeat(pa.scalar(value), len(batch))
    columns["line"] = pa.array(range(position, position + len(batch)), pa.int64())
    rows = raw_table({n: columns[n] for n in schema.RAW.names if n in columns}, len(batch))
    return Block(rows, header.unit_from)


def texts_of(column: pa.Array) -> pa.StringArray:
    """Any type as text; an instant as ISO with Z, a wall time without."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        plain = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.timestamp("us"))
        return pc.binary_join_element_wise(plain.cast(pa.string()), "Z", "")
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"), safe=False).cast(pa.string())
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        text = column.cast(pa.string())
        text.validate(full=True)  # that it is UTF-8: Parquet does not promise it
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        values = column.cast(pa.binary()) if pa.types.is_string(kind) else column
        return pa.array([_printed(value) for value in values.to_pylist()], pa.string())
    return text


def _printed(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)
