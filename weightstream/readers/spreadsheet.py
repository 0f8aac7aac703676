"""Excel workbooks (.xlsx): the first sheet with a table, whose cells are read as they show.

Dates are days of the workbook's own date system, which it states.
"""

import datetime
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from weightstream.errors import InputError
from weightstream.parsing.layouts import DAY_ORIGINS
from weightstream.readers.assembling import assemble, texts_of_serials
from weightstream.readers.block import Block, Parse, ReadOptions, Unread, raw_table
from weightstream.readers.column_names import units_below
from weightstream.readers.columns import Choice, resolve
from weightstream.readers.evidence import Evidence
from weightstream.readers.further_headers import Cells, skipped_with, without_headers
from weightstream.readers.headers import HEADER_LINES, MAX_COLUMNS, is_header
from weightstream.readers.source import Source, is_workbook, local_file
from weightstream.readers.table import SAMPLE_ROWS, table_of

_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_ANOTHER_TABLE = "holds a table too, and one is read; save it as a file of its own"
_MAX_UNPACKED = 200 << 20
_MAX_CELLS = 5_000_000
"""Cells that a sheet may span, from its first to its last: empty ones take memory too."""
_CELL = re.compile(rb'<c [^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"')
_PART = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, LookupError, ValueError,
    RuntimeError,
)  # fmt: skip
"""What reading a zip file raises that was not written whole; names that are no UTF-8 among it."""

Rows = list[list[str | None]]


def recognise(head: bytes, name: str) -> bool:
    """The parts of a workbook in a zip file; old Excel files too, to be refused by their name."""
    return is_workbook(head) or head.startswith(_OLD_EXCEL)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. Columns are found as in CSV; `line` is the row of the sheet."""
    name, tables, others, rows, system = _sheet(source)
    origin = DAY_ORIGINS.get(options.dates or "", DAY_ORIGINS[system])
    if options.dates in DAY_ORIGINS:
        options = replace(options, dates=None)
    where = f"{source}, sheet {name!r}"
    at = _header_row(rows)
    header = [cell or "" for cell in rows[at]]
    below = rows[at + 1] if at + 1 < len(rows) else []
    units = units_below(header, below)
    at += bool(units)
    sample = rows[at + 1 : at + 1 + SAMPLE_ROWS]
    choice = resolve(table_of(where, header, sample, options, units=units))
    if others:
        choice = choice.with_note(f"sheets not read: {', '.join(map(repr, others[:5]))}")
    unread = tuple(
        Unread(f"{source}, sheet {one!r}", f"{source}, sheet {one!r} {_ANOTHER_TABLE}")
        for one in tables
    )
    choice = choice.with_note(f"the sheet {name!r} is read")
    body = [(line, row) for line, row in enumerate(rows[at + 1 :], at + 2) if any(row)]
    yield lambda: replace(_block(body, choice, options, where, origin), unread=unread)


def _block(
    body: list[tuple[int, list[str | None]]],
    choice: Choice,
    options: ReadOptions,
    where: str,
    origin: int,
) -> Block:
    every: Cells = {
        index: pa.array([row[index] for _, row in body], pa.string()) for index in choice.indices
    }
    every["line"] = pa.array([line for line, _ in body], pa.int64())
    left = without_headers(every, choice, where)
    repeated = len(body) - len(left["line"])

    def cells(index: int) -> pa.StringArray:
        column = left[index]
        return texts_of_serials(column, origin) if index in choice.time else column

    assembled = assemble(choice, cells, len(left["line"]), options, where)
    columns, lines = assembled.columns, left["line"]
    columns["line"] = lines if assembled.keep is None else lines.filter(assembled.keep)
    seen = columns["time"], columns["weight"]
    evidence = Evidence(where, options, lambda: iter([seen]))
    skipped, others = skipped_with(assembled, repeated)
    return Block(
        raw_table(columns, len(columns["line"])),
        assembled.unit_from,
        evidence.dialect(*seen),
        skipped=skipped,
        others=others,
        columns=choice.named(),
        notes=choice.notes,
    )


def _sheet(source: Source) -> tuple[str, list[str], list[str], Rows, str]:
    """The first sheet with a table, else the first with cells: its name, the other sheets with
    tables, those without, its rows as texts; and the workbook's date system.
    """
    from python_calamine import (
        CalamineError,
        CalamineWorkbook,
    )  # others do without

    with local_file(source) as path:
        with path.open("rb") as file:
            if file.read(4) == _OLD_EXCEL:
                raise InputError(
                    f"{source} is an old or encrypted Excel file; save it as .xlsx without a"
                    " password, or as CSV"
                )
        dates = _check(path, source)
        try:
            workbook = CalamineWorkbook.from_path(str(path))
            sheets = [
                (name, _texts(workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)))
                for name in workbook.sheet_names
            ]
        except (CalamineError, *_DAMAGED):
            raise InputError(
                f"{source} is a damaged Excel file; save it again, or as CSV"
            ) from None
    filled = [(name, rows) for name, rows in sheets if any(map(any, rows))]
    if not filled:
        raise InputError(f"{source} is empty; there is nothing to read in it")
    tables = [(name, rows) for name, rows in filled if _has_header(rows)]
    name, rows = (tables or filled)[0]
    more = [other for other, _ in tables if other != name]
    others = [other for other, _ in filled if other not in (name, *more)]
    return name, more, others, rows, dates


def _check(path: Path, source: Source) -> str:
    """Refuse what would not fit into memory. Returns the workbook's date system."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_UNPACKED:
                raise InputError(
                    f"{source} unpacks to more than {_MAX_UNPACKED >> 20} MiB; save it as CSV"
                )
            for name in archive.namelist():
                if _SHEET.fullmatch(name):
                    _check_sheet(archive, name, source)
            book = archive.read("xl/workbook.xml")
    except _DAMAGED:
        raise InputError(f"{source} is a damaged Excel file; save it again, or as CSV") from None
    return "excel1904" if re.search(rb'date1904="(1|true)"', book) else "excel1900"


def _check_sheet(archive: zipfile.ZipFile, name: str, source: Source) -> None:
    columns = rows = 0
    with archive.open(name) as sheet:
        carry = b""
        while part := sheet.read(_PART):
            data = carry + part
            for letters, row in set(_CELL.findall(data)):
                columns, rows = max(columns, _column(letters)), max(rows, int(row))
            carry = data[-200:]
    if columns * rows > _MAX_CELLS or columns > MAX_COLUMNS:
        raise InputError(
            f"{source} has a sheet of {rows:,} rows and {columns:,} columns; save it as CSV"
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _texts(rows: Sequence[Sequence[Any]]) -> Rows:
    return [[_text(cell) for cell in row] for row in rows]


def _text(cell: Any) -> str | None:
    """A cell as a CSV would hold it."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "microseconds" if cell.microsecond else "seconds")
    if isinstance(cell, datetime.timedelta):
        return str(cell)
    if isinstance(cell, datetime.time):
        return cell.isoformat("seconds")
    return str(cell)


def _has_header(rows: Rows) -> bool:
    return any(is_header([cell or "" for cell in row]) for row in rows[:HEADER_LINES])


def _header_row(rows: Rows) -> int:
    """The index of the first row that names a time and a weight, else of the fullest one."""
    some = [[cell or "" for cell in row] for row in rows[:HEADER_LINES]]
    named = [at for at, row in enumerate(some) if is_header(row)]
    fullest = max(range(len(some)), key=lambda at: sum(map(bool, some[at])))
    return named[0] if named else fullest
