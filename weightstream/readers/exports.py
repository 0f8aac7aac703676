"""Common parts of the readers of small tables that apps export for one person."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from weightstream.errors import InputError, plain
from weightstream.readers import records
from weightstream.readers.block import NO_DIALECT, Block, Dialect, Parse, raw_table_of_rows
from weightstream.readers.source import Source, open_source

Cells = dict[str, str | None]
"""One record by the names of its columns, in lower case; cells without surrounding spaces."""
Convert = Callable[[Cells], dict[str, Any] | None]
"""From the cells of a record to a raw row without line; None: it is not a weighing."""

_BOM = b"\xef\xbb\xbf"


def first_lines(head: bytes, count: int = 6) -> list[str]:
    """Return the first lines of a text, for `recognise`; none if it is not a text."""
    if b"\x00" in head[:1024]:
        return []
    lines = head.removeprefix(_BOM).split(b"\n", count)[:count]
    return [records.decode(line) for line in lines]


def names_of(line: str, delimiter: str) -> list[str]:
    """Return column names in lower case, without surrounding spaces."""
    return [name.strip().lower() for name in records.cells_of(line, delimiter)]


def read_export(
    source: Source,
    header_line: int,
    needed: str,
    convert: Convert,
    unit_from: str,
    delimiter: str = ",",
    dialect: Dialect = NO_DIALECT,
    notes: tuple[str, ...] = (),
) -> Iterator[Parse]:
    """Parse a table whose column names stand on line `header_line`, counted from 1.

    notes: sentences on how the format is understood. Raises InputError if no name is, or ends in,
    `needed`.
    """
    with open_source(source) as stream:
        line = b""
        for _ in range(header_line):
            line = stream.readline(records.MAX_LINE)
        text = records.decode(line.removeprefix(_BOM))
        names = names_of(text, delimiter)
        if not any(name.rsplit(".", 1)[-1] == needed for name in names):
            listing = ", ".join(repr(plain(name[:40])) for name in names[:12])
            raise InputError(
                f"{source} has no column {needed!r}, as this format has; its columns are {listing}"
            )
        for rows in records.rows(stream, delimiter, len(names), header_line + 1):
            yield partial(_convert, rows, names, convert, unit_from, dialect, notes)


def _convert(
    rows: list[records.Row],
    names: list[str],
    convert: Convert,
    unit_from: str,
    dialect: Dialect,
    notes: tuple[str, ...],
) -> Block:
    converted = []
    for row in rows:
        cells = [cell.strip() if cell else None for cell in row.cells]
        raw = convert(dict(zip(names, cells, strict=True)))
        if row.detail:
            raw = (raw or {}) | {"fault": "missing_field", "detail": row.detail}
        if raw is not None:
            converted.append(raw | {"line": row.line})
    return Block(raw_table_of_rows(converted), unit_from, dialect, notes=notes)
