"""CSV and its like: one record a line, cells apart by comma, semicolon or tab, a header above.

Regular stretches of a file are parsed by pyarrow; stretches with line ends inside quotes, ragged
rows, stray quotes or bytes that are no UTF-8 go record by record through `records`. Both give the
same rows, with the line of the file on which each begins.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from weightstream import schema
from weightstream.config import Columns
from weightstream.errors import InputError
from weightstream.parsing.times import DateOrder, may_need_order, order_evidence
from weightstream.parsing.units import canonical_unit
from weightstream.readers import records
from weightstream.readers.block import (
    EACH_RECORD,
    HEADER,
    OPTION,
    Block,
    Dialect,
    Parse,
    ReadOptions,
    raw_table,
)
from weightstream.readers.source import Source, open_source

FIELDS = ("user_id", "time", "source", "weight", "unit", "record_id", "updated")
REQUIRED = {"user_id": "user", "time": "time", "weight": "weight", "unit": "unit"}
MAX_COLUMNS = 10_000
NULLS = ("", "NULL", "null", "Null")

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_UNIT_IN_NAME = re.compile(r"(?P<name>.+?)[ _]*[(\[_ ](?P<unit>[a-z]+)[)\]]?")


@dataclass(frozen=True)
class Header:
    """What the header line says. columns: field to column index; constants: field to its value.

    repeated: names that several columns have, where a field is in one of them.
    """

    delimiter: str
    width: int
    columns: dict[str, int]
    constants: dict[str, str]
    line: int
    unit_from: str = EACH_RECORD
    repeated: tuple[str, ...] = ()


@dataclass
class _DateOrderOfFile:
    """Asks the whole file, once, how it writes dates like 03/04/2024."""

    source: Source
    options: ReadOptions
    answer: DateOrder | None = None
    asked: bool = False
    lock: Any = field(default_factory=Lock)

    def get(self) -> DateOrder | None:
        with self.lock:
            if not self.asked:
                self.answer = self._ask()
                self.asked = True
        return self.answer

    def _ask(self) -> DateOrder | None:
        evidence: set[str] = set()
        with open_source(self.source) as stream:
            header = _read_header(stream, self.source, self.options)
            for chunk in records.chunks(
                stream, header.delimiter, header.width, header.line + 1, self.options.block_bytes
            ):
                evidence |= order_evidence(_columns(chunk, header)["time"])
        if "either" not in evidence:
            return None
        if ("dmy" in evidence) != ("mdy" in evidence):
            return "dmy" if "dmy" in evidence else "mdy"
        if "other" in evidence:
            return None
        raise InputError(
            f"{self.source} writes dates like 03/04/2024 and does not show whether the day or the"
            " month comes first; write them as 2024-04-03"
        )


def recognise(head: bytes, name: str) -> bool:
    """Whether it is text at all: this is the format that others are told apart from. UTF-16 too."""
    if head.startswith(_UTF16_BOMS):  # to be refused by its name
        return True
    first_line = head.removeprefix(_BOM).lstrip().split(b"\n", 1)[0]
    return bool(head) and not _CONTROL.search(first_line) and first_line[:1] not in (b"{", b"<")


def has_columns(head: bytes) -> bool:
    """Whether the first line names a time and a weight in the usual words."""
    if head.startswith(_UTF16_BOMS):
        head = head.decode("utf-16", errors="ignore").encode()
    text = records.decode(head.removeprefix(_BOM).lstrip().split(b"\n", 1)[0])
    cells = max((records.cells_of(text, delimiter) for delimiter in ",;\t"), key=len)
    columns = match_columns([cell.strip().lower() for cell in cells], Columns())
    return {"time", "weight"} <= set(columns)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. Needs columns, or options, for user, time, weight and unit."""
    order = _DateOrderOfFile(source, options)
    with open_source(source) as stream:
        header = _read_header(stream, source, options)
        for chunk in records.chunks(
            stream, header.delimiter, header.width, header.line + 1, options.block_bytes
        ):
            yield partial(_parse, chunk, header, order)


def _read_header(stream: BinaryIO, source: Source, options: ReadOptions) -> Header:
    line, number = b"", 0
    while not line.strip():
        line = stream.readline(records.MAX_LINE)
        number += 1
        if not line:
            raise InputError(f"{source} is empty; there is nothing to read in it")
        line = line.removeprefix(_BOM) if number == 1 else line
    if line.startswith(_UTF16_BOMS):
        raise InputError(f"{source} is written in UTF-16; save it as UTF-8")
    if _CONTROL.search(line):
        raise InputError(f"{source} is not a text table; give a CSV file, or say its --format")
    if b"\r" in line.rstrip():
        raise InputError(f"{source} ends its lines with bare carriage returns; save it with LF")
    text = records.decode(line)
    most = max(text.count(delimiter) for delimiter in ",;\t") + 1
    if most > MAX_COLUMNS:
        raise InputError(f"{source} has more than {MAX_COLUMNS:,} columns; give one with fewer")
    headers = [
        _match_header(records.cells_of(text, delimiter), delimiter, number, options)
        for delimiter in ",;\t"
    ]
    header = max(headers, key=lambda one: len(one.columns))
    _check_header(header, source, options)
    return header


def header_of(names: list[str], line: int, source: Source, options: ReadOptions) -> Header:
    """What these column names say. Raises InputError if a needed one is missing."""
    header = _match_header(names, "", line, options)
    _check_header(header, source, options)
    return header


def _match_header(cells: list[str], delimiter: str, line: int, options: ReadOptions) -> Header:
    names = [name.strip().lower() for name in cells]
    columns = match_columns(names, options.columns)
    constants = {}
    if "weight" in columns and "unit" not in columns and not options.unit:
        unit = unit_in_name(names[columns["weight"]])[1]
        constants = {"unit": unit} if unit else {}
    unit_from = HEADER if constants else OPTION if options.unit else EACH_RECORD
    given = {"user_id": options.user, "unit": options.unit}
    constants |= {name: value for name, value in given.items() if value is not None}
    repeated = repeated_names(names, columns)
    return Header(delimiter, len(names), columns, constants, line, unit_from, repeated)


def repeated_names(names: list[str], columns: dict[str, int]) -> tuple[str, ...]:
    """Names of the columns that were chosen and are not the only ones of their name."""
    return tuple(names[index] for index in columns.values() if names.count(names[index]) > 1)


def match_columns(names: list[str], wanted: Columns) -> dict[str, int]:
    """Which column holds which field; `names` are in lower case. A column holds one field only."""
    found: dict[str, int] = {}
    for name in FIELDS:
        for candidate in getattr(wanted, name):
            key = candidate.strip().lower()
            index = names.index(key) if key in names else -1
            if index >= 0 and index not in found.values():
                found[name] = index
                break
    if "weight" not in found:
        bare = [unit_in_name(name)[0] for name in names]
        matches = [bare.index(one.lower()) for one in wanted.weight if one.lower() in bare]
        found |= {"weight": matches[0]} if matches else {}
    return found


def unit_in_name(name: str) -> tuple[str, str | None]:
    """Column name without its unit, and the unit: "weight (kg)" and "weight_kg" state theirs."""
    match = _UNIT_IN_NAME.fullmatch(name)
    if match and canonical_unit(match["unit"]):
        return match["name"].strip(), match["unit"]
    return name, None


def _check_header(header: Header, source: Source, options: ReadOptions) -> None:
    found = [name for name in REQUIRED if name in header.columns]
    if not found or (len(found) == 1 and header.width > 2):
        raise InputError(
            f"{source} has no header that names its columns; add one, such as"
            " user_id,effectiveDateTime,source_type,weight,unit"
        )
    missing = [
        word
        for name, word in REQUIRED.items()
        if name not in header.columns and name not in header.constants
    ]
    if missing:
        hints = [f"--{word}" for word in missing if word in ("user", "unit")]
        also = f", or give {' and '.join(hints)}" if hints else ""
        raise InputError(
            f"{source} has no column for {' and '.join(missing)};"
            f" name it in [data.columns] of the configuration{also}"
        )
    if header.repeated:
        raise InputError(
            f"{source} has several columns called {header.repeated[0]!r}; leave one of them"
        )
    for name, given in (("user_id", options.user), ("unit", options.unit)):
        if given is not None and name in header.columns:
            raise InputError(
                f"{source} has a column for the {REQUIRED[name]}; leave --{REQUIRED[name]} out"
            )


def _parse(chunk: records.Chunk, header: Header, order: _DateOrderOfFile) -> Block:
    columns = _columns(chunk, header)
    count = len(columns["line"])
    for name, value in header.constants.items():
        indices = pa.array(np.zeros(count, dtype=np.int32))
        columns[name] = pa.DictionaryArray.from_arrays(indices, pa.array([value]))
    date_order = order.get() if may_need_order(columns["time"]) else None
    # Where the comma does not part cells it may stand in numbers.
    dialect = Dialect(decimal_comma=header.delimiter != ",", date_order=date_order)
    rows = raw_table(columns, count)
    if "fault" in columns:  # ragged rows come last
        rows = rows.sort_by("line")
    return Block(rows, header.unit_from, dialect)


def _columns(chunk: records.Chunk, header: Header) -> dict[str, Any]:
    """The chunk's columns by field, with line, fault and detail."""
    if chunk.rows is not None:
        return _columns_of_rows(chunk.rows, header)
    return columns_by_pyarrow(chunk, header) or columns_by_record(chunk, header)


def columns_by_pyarrow(chunk: records.Chunk, header: Header) -> dict[str, Any] | None:
    """Columns of a chunk with regular quotes, in file order but for ragged rows, which come last.

    None where pyarrow would see other rows: lone carriage returns, bytes that are no UTF-8.
    """
    if b"\r" in chunk.data and chunk.data.count(b"\r") != chunk.data.count(b"\r\n"):
        return None
    if not records.is_utf8(chunk.data):
        return None
    ragged: list[tuple[int, str]] = []
    try:
        table = _table(chunk.data, header, ragged)
    except pa.ArrowInvalid:
        return None
    lines = records.line_numbers(chunk, table.num_rows + len(ragged))
    if lines is None:
        return None
    columns = {name: table[str(index)] for name, index in header.columns.items()}
    columns = {name: column.combine_chunks() for name, column in columns.items()}
    if not ragged:
        return columns | {"line": pa.array(lines)}
    at = np.array([number - 1 for number, _ in ragged])
    rows = [
        records.row_of(line, text, header.delimiter, header.width)
        for line, (_, text) in zip(lines[at].tolist(), ragged, strict=True)
        if text.strip()
    ]
    columns["line"] = pa.array(np.delete(lines, at))
    regular = len(columns["line"])
    return {
        name: pa.concat_arrays([columns.get(name, pa.nulls(regular, other.type)), other])
        for name, other in _as_in(columns, _columns_of_rows(rows, header)).items()
    }


def _as_in(columns: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """The others, of the same types as the columns of the same name."""
    return {
        name: other.cast(columns[name].type) if name in columns else other
        for name, other in others.items()
    }


def _table(data: bytes, header: Header, ragged: list[tuple[int, str]]) -> pa.Table:
    """Parse regular rows; ragged ones are put aside, with their number among all from 1."""

    def put_aside(row: csv.InvalidRow) -> str:
        ragged.append((row.number, row.text))
        return "skip"

    kinds = dict(zip(schema.RAW.names, schema.RAW.types, strict=True))
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(
            column_names=[str(index) for index in range(header.width)],
            use_threads=False,
            block_size=len(data) + 1,
        ),
        parse_options=csv.ParseOptions(delimiter=header.delimiter, invalid_row_handler=put_aside),
        convert_options=csv.ConvertOptions(
            include_columns=[str(index) for index in header.columns.values()],
            column_types={str(index): kinds[name] for name, index in header.columns.items()},
            null_values=list(NULLS),
            strings_can_be_null=True,
        ),
    )


def columns_by_record(chunk: records.Chunk, header: Header) -> dict[str, Any]:
    """The same columns, in file order, by the record parser: slower, and it takes any bytes."""
    rows, _ = records.parse(chunk.data, chunk.line, header.delimiter, header.width, is_last=True)
    return _columns_of_rows(rows, header)


def _columns_of_rows(rows: list[records.Row], header: Header) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: pa.array([row.cells[index] for row in rows], pa.string())
        for name, index in header.columns.items()
    }
    for name, column in columns.items():
        absent = pc.is_in(column, pa.array(NULLS))
        columns[name] = pc.if_else(absent, None, column)
    return columns | {
        "line": pa.array([row.line for row in rows], pa.int64()),
        "fault": pa.array([row.detail and "missing_field" for row in rows], pa.string()),
        "detail": pa.array([row.detail for row in rows], pa.string()),
    }
