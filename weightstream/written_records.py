"""The records of files as text, for `weightstream.read`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from weightstream import schema
from weightstream.readers import ReadOptions, parses

HOW_WRITTEN = ("decimal_comma", "date_order", "timezone")
"""Columns that say how to read the texts beside them; `clean` uses them."""

WRITTEN = pa.schema(
    [
        *((f.name, pa.string() if f.type == schema.CODE else f.type) for f in schema.RAW),
        ("file", pa.string()),
        *zip(HOW_WRITTEN, (pa.bool_(), pa.string(), pa.string()), strict=True),
    ]
)
"""schema.RAW, the file, and HOW_WRITTEN."""


def written_records(files: Sequence[Path], options: ReadOptions) -> Iterator[pa.Table]:
    """Yield WRITTEN of each block of some files. Raises InputError if one cannot be used."""
    for file in files:
        for parse in parses(file, options):
            block = parse()
            said = {
                "file": str(file),
                "decimal_comma": block.dialect.decimal_comma,
                "date_order": block.dialect.date_order,
                "timezone": options.timezone,
            }
            columns = [
                pa.repeat(pa.scalar(said[field.name], field.type), len(block.rows))
                if field.name in said
                else block.rows[field.name].cast(field.type)
                for field in WRITTEN
            ]
            yield pa.table(columns, schema=WRITTEN)
