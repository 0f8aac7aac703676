"""The interface of readers: their options and results."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pyarrow as pa

from weightstream import schema
from weightstream.config import Columns
from weightstream.errors import InputError
from weightstream.parsing.layouts import DateOrder
from weightstream.readers.source import Source


@dataclass(frozen=True)
class ReadOptions:
    """Options for what a source does not state itself.

    unit: a spelling of kg, g, lb, oz or st. timezone: IANA name, of times without an offset.
    dates, decimal: how to read what the file does not show: dates such as 03/04/2024, or numbers
    of five digits, and a comma before three digits. format: "auto" or a name in readers.FORMATS.
    columns: names of columns that the configuration prefers; named: the one that holds each role,
    as --column says. of_one: the source is one person's export, so `user` replaces whomever its
    records name. every_row: for an erasure, which searches for a person in rows of other measures
    too and ignores how dates are read. block_bytes: about how much is parsed at a time; the result
    does not depend on it.
    """

    format: str = "auto"
    user: str | None = None
    unit: str | None = None
    timezone: str | None = None
    columns: Columns = field(default_factory=Columns)
    block_bytes: int = 4 << 20
    dates: DateOrder | None = None
    decimal: Literal["comma", "point"] | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    of_one: bool = False
    every_row: bool = False


@dataclass(frozen=True)
class Dialect:
    """The notation of a file where two are possible; None if nothing shows it.

    decimal_comma: the comma of "80,500" is a decimal one, or (False) one of thousands.
    date_order: how to read dates like 03/04/2024.
    """

    decimal_comma: bool | None = None
    date_order: DateOrder | None = None


NO_DIALECT = Dialect()


EACH_RECORD, HEADER, OPTION = "each record", "its header", "--unit"
BMI, FORMAT = "its bmi", "the format"
"""What states the unit of a weight."""


@dataclass(frozen=True)
class Unread:
    """A file of a folder, or a member of a zip file, that has content and is not read.

    name: path of the file, or of the zip file with the member in brackets. sentence: why not.
    known: it belongs to an export that is read, and is known to hold no weighings.
    """

    name: str
    sentence: str
    known: bool = False


@dataclass(frozen=True)
class Block:
    """Some records of a source, in its order.

    rows: schema.RAW. unit_from: what states the unit. skipped: the number of records of other kinds
    (resources that are not body weights). others: those of them whose kind has a name, by name.
    unread: members that are not read, in the first block after they are found. columns: of a table,
    the names of the columns of each role. notes: sentences on how the file was read. people:
    schema.DEMOGRAPHICS as written, of records that describe a person and are no weighing.
    """

    rows: pa.Table
    unit_from: str
    dialect: Dialect = NO_DIALECT
    skipped: int = 0
    others: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    people: pa.Table = field(default_factory=schema.DEMOGRAPHICS.empty_table)


Parse = Callable[[], Block]
"""Parses a block when called: files are read in order, and blocks parsed on several threads."""


class Reader(Protocol):
    """A module of this package."""

    def recognise(self, head: bytes, name: str) -> bool:
        """Return whether a file with this name and this start (uncompressed) is in this format."""

    def read(self, source: Source, options: ReadOptions) -> Iterator[Parse]:
        """Parse a file in blocks. Raises InputError, also from a Parse, if it cannot be used."""

    # A module may also have `accompanies(head, place)`: whether a file that lies beside one of
    # this format, in the same folder or zip file, is of the same export and holds no weighings.


def raw_table(columns: dict[str, Any], count: int) -> pa.Table:
    """Return a schema.RAW table of `count` rows; columns that are not given are null."""
    arrays = [
        columns[name].cast(kind) if name in columns else pa.nulls(count, kind)
        for name, kind in zip(schema.RAW.names, schema.RAW.types, strict=True)
    ]
    return pa.table(arrays, schema=schema.RAW)


def raw_table_of_rows(rows: list[dict[str, Any]]) -> pa.Table:
    """Return a schema.RAW table from one dict per record; missing keys are null."""
    columns = {}
    for name, kind in zip(schema.RAW.names, schema.RAW.types, strict=True):
        values = [row.get(name) for row in rows]
        columns[name] = pa.array(values, pa.string() if kind == schema.CODE else kind)
    return raw_table(columns, len(rows))


def raw_table_of_tuples(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pa.Table:
    """Return a schema.RAW table from one tuple per record, in half the time."""
    columns = {}
    for name, *values in zip(names, *rows, strict=True):
        kind = schema.RAW.field(name).type
        columns[name] = pa.array(values, pa.string() if kind == schema.CODE else kind)
    return raw_table(columns, len(rows))


def given(value: str | None, source: Source, what: str, option: str) -> str:
    """Return an option that the source requires. Raises InputError if it was not given."""
    if value is None:
        raise InputError(f"{source} does not say {what}; give {option}")
    return value


NAMELESS = {"fault": "missing_field", "detail": "the record names no person; give --user"}
"""The fault of a record that names no person, in a format whose records may."""


def named_user(record_user: str | None, source: Source, options: ReadOptions) -> str | None:
    """Return the person of a record. Raises InputError if record and option both name one."""
    if record_user and options.user is not None:
        if options.of_one:
            return options.user
        raise InputError(f"{source} names its persons itself; leave --user out")
    return record_user or options.user
