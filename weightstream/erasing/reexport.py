"""Rewrite exports without a person: their rows, and their id in names of source files."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from weightstream.errors import InputError
from weightstream.intake.tombstones import rows_naming
from weightstream.parsing.coded import encode
from weightstream.readers.source import Source, open_source
from weightstream.schema import EXPORT
from weightstream.store.erasing import redacted

MARKS = {"measurement_id", "user_id", "file", "line"}
"""Columns that no other table has all of."""
CELLS = ("effectiveDateTime", "source_type", "weight", "unit")
"""Columns of an export of raw rows in which a row that names nobody may hold an id."""
OBSERVED = b'"method":{"text":"weightstream, '
"""Text that only our own FHIR Observations have."""


def is_export(path: Path, head: bytes) -> bool:
    """Return whether a file is one of our exports. head: its first bytes, unpacked."""
    if head.startswith(b"PAR1"):
        return set(pq.read_schema(path).names) >= MARKS
    line = head.split(b"\n", 1)[0]
    try:
        return set(orjson.loads(line)) >= MARKS
    except (orjson.JSONDecodeError, TypeError):
        return not MARKS.difference(_cells(line))


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8", "replace").rstrip()]), [])
    except csv.Error:  # such as a line end within a cell: no header that we write
        return []


def count(path: Path, user_id: str) -> tuple[int, int, int]:
    """Count rows of the person, rows of others, and those of these whose file name holds the id.

    Raises InputError for what turns out to be no export.
    """
    theirs = others = named = 0
    for table in _tables(path):
        kept = _others(table, user_id)
        theirs += len(table) - len(kept)
        others += len(kept)
        named += sum(name != redacted(name, user_id) for name in _names(kept))
    return theirs, others, named


def rewrite(path: Path, out: BinaryIO, user_id: str) -> None:
    """Write the export without the person; everything else stays, value for value."""
    writer: Any = None
    for table in _tables(path):
        made = _redact(_others(table, user_id), user_id)
        if writer is None:
            writer = _writer(path, out, made.schema)
        writer.write(made)
    if writer is not None:
        writer.close()


def _tables(path: Path) -> Iterator[pa.Table]:
    """Yield some rows at a time."""
    source = Source(path)
    try:
        with open_source(source) as content:
            first = content.readline()
        if first.startswith(b"PAR1"):
            with pq.ParquetFile(path) as file:
                yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches())
        elif first.startswith(b"{"):
            with open_source(source) as content:
                yield from _json_tables(content)
        else:
            with open_source(source) as content:
                yield from _csv_tables(content, _cells(first))
    except (pa.ArrowException, orjson.JSONDecodeError, KeyError):
        raise InputError(f"{path} is a damaged export") from None


def _csv_tables(content: BinaryIO, names: list[str]) -> Iterator[pa.Table]:
    reader = pyarrow.csv.open_csv(
        content,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={
                name: EXPORT.field(name).type if name in EXPORT.names else pa.string()
                for name in names
            },
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    yield from (pa.Table.from_batches([batch]) for batch in reader)


def _json_tables(content: BinaryIO) -> Iterator[pa.Table]:
    """Yield lines as they are, beside the columns that matter."""
    while lines := content.readlines(4 << 20):
        records = [orjson.loads(line) for line in lines]
        names = [name for name in ("user_id", "file", *CELLS) if name in records[0]]
        texts = {name: pa.array([r[name] for r in records], pa.string()) for name in names}
        yield pa.table(texts | {"line": pa.array(lines, pa.binary())})


class _JsonLines:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, table: pa.Table) -> None:
        for line, file in zip(table["line"].to_pylist(), _names(table), strict=True):
            record = orjson.loads(line)
            same = record["file"] == file
            self._out.write(line if same else orjson.dumps(record | {"file": file}) + b"\n")

    def close(self) -> None:
        pass


def _writer(path: Path, out: BinaryIO, schema: pa.Schema) -> Any:
    if pa.types.is_binary(schema.field("line").type):
        return _JsonLines(out)
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return pq.ParquetWriter(out, schema)
    options = pyarrow.csv.WriteOptions(quoting_style="needed")
    return pyarrow.csv.CSVWriter(out, schema, write_options=options)


def _others(table: pa.Table, user_id: str) -> pa.Table:
    cells = [name for name in CELLS if name in table.column_names]
    theirs = rows_naming(
        table, cells, lambda texts: np.array([text == user_id for text in texts], bool)
    )
    return table.filter(pa.array(~theirs))


def _names(table: pa.Table) -> list[str]:
    return [name or "" for name in table["file"].to_pylist()]


def _redact(table: pa.Table, user_id: str) -> pa.Table:
    """Return a table without the id in names of files."""
    at = table.schema.get_field_index("file")
    names = encode(table["file"])
    made = pa.array([redacted(name, user_id) for name in names.texts.to_pylist()], pa.string())
    if made.equals(names.texts):
        return table
    column = made.take(pa.array(names.codes, mask=names.codes < 0))
    return table.set_column(at, table.schema.field(at), column.cast(table.schema.field(at).type))
