"""Delimited text: a header, and one record per line with comma, semicolon, tab or bar between
cells.

Regular stretches of a file are parsed by pyarrow; stretches with line ends inside quotes, ragged
rows, stray quotes or bytes that are no UTF-8 go record by record through `records`. Both give the
same rows, with the line of the file on which each begins.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from weightstream.readers import headers, records
from weightstream.readers.assembling import assemble, constant
from weightstream.readers.block import Block, Parse, ReadOptions, raw_table
from weightstream.readers.columns import Choice, resolve
from weightstream.readers.evidence import Evidence
from weightstream.readers.further_headers import Cells, skipped_with, without_headers
from weightstream.readers.partitions import constant_cells, folder_columns
from weightstream.readers.source import Source, open_source
from weightstream.readers.table import table_of
from weightstream.schema import CODE

NULLS = ("", "NULL", "null", "Null")
HEAD_BYTES = 256 << 10
"""The number of bytes that are read to find the header and examine the columns."""

_CODED_ROLES = ("user_id", "source", "measure", "sex")


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are cut, and which of the cells are read.

    coded: those of the indices whose texts repeat, which are read as dictionaries.
    """

    delimiter: str
    width: int
    indices: tuple[int, ...]
    coded: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The plan for a file, made before its rows are read."""

    where: str
    line: int
    layout: Layout
    choice: Choice
    options: ReadOptions
    made_by: str | None = None
    unit_from: str | None = None


def recognise(head: bytes, name: str) -> bool:
    """Return whether it is text; this format is tried last."""
    return headers.is_text(head)


def has_columns(head: bytes) -> bool:
    """Return whether a line near the start names a time and a weight."""
    return headers.names_weighings(head)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. Needs columns, or options, for user, time, weight and unit."""
    return read_table(source, options)


def read_table(
    source: Source, options: ReadOptions, made_by: str | None = None, unit_from: str | None = None
) -> Iterator[Parse]:
    """Read a table as `read` does.

    made_by: the source of an app's export, which has no column for it. unit_from: what states the
    unit, if it is the format.
    """
    plan = replace(plan_of(source, options), made_by=made_by, unit_from=unit_from)

    def scan() -> Iterator[tuple[Any, Any]]:
        for chunk in _chunks(source, plan):
            columns = _raw(_cells(chunk, plan), plan)
            yield columns["time"], columns["weight"]

    evidence = Evidence(plan.where, options, scan)
    for chunk in _chunks(source, plan):
        yield partial(_parse, chunk, plan, evidence)


def plan_of(source: Source, options: ReadOptions) -> Plan:
    """Find the header and choose the columns. Raises InputError if the file cannot be used."""
    with open_source(source) as stream:
        head = stream.read(HEAD_BYTES)
    where = str(source)
    header = headers.find_header(head, where, options)
    folders = folder_columns(source, header.cells)
    table = table_of(where, header.cells, header.rows, options, units=header.units, folders=folders)
    choice = replace(resolve(table), folders=dict(enumerate(folders.values(), len(header.cells))))
    if header.above:
        lines = "1 line" if header.above == 1 else f"{header.above} lines"
        choice = choice.with_note(f"{lines} above the header skipped")
    coded = {choice.roles[role] for role in _CODED_ROLES if role in choice.roles}
    layout = Layout(
        header.delimiter,
        len(header.cells),
        tuple(at for at in choice.indices if at not in choice.folders),
        frozenset(coded | {*choice.weight, *choice.unit}),
    )
    return Plan(where, header.line, layout, choice, options)


def _chunks(source: Source, plan: Plan) -> Iterator[records.Chunk]:
    with open_source(source) as stream:
        _skip_lines(stream, plan.line)
        yield from records.chunks(
            stream,
            plan.layout.delimiter,
            plan.layout.width,
            plan.line + 1,
            plan.options.block_bytes,
        )


def _skip_lines(stream: BinaryIO, count: int) -> None:
    for _ in range(count):
        while (part := stream.readline(records.MAX_LINE)) and not part.endswith(b"\n"):
            pass


def _parse(chunk: records.Chunk, plan: Plan, evidence: Evidence) -> Block:
    all_cells = _cells(chunk, plan)
    cells = without_headers(all_cells, plan.choice, plan.where)
    count = len(cells["line"])
    repeated = len(all_cells["line"]) - count
    assembled = assemble(plan.choice, cells.__getitem__, count, plan.options, plan.where)
    columns = assembled.columns
    for name in ("line", "fault", "detail"):
        if name in cells:
            own = cells[name] if assembled.keep is None else cells[name].filter(assembled.keep)
            # What is wrong with a row's cells matters less than that it has not got them all.
            columns[name] = pc.coalesce(own, columns[name]) if name in columns else own
    rows_left = len(columns["line"])
    if plan.made_by and "source" not in columns:
        columns["source"] = constant(plan.made_by, rows_left)
    dialect = evidence.dialect(columns["time"], columns["weight"])
    rows = raw_table(columns, rows_left)
    if "fault" in cells:  # ragged rows come last
        rows = rows.sort_by("line")
    skipped, others = skipped_with(assembled, repeated)
    return Block(
        rows,
        plan.unit_from or assembled.unit_from,
        dialect,
        skipped=skipped,
        others=others,
        columns=plan.choice.named(),
        notes=plan.choice.notes,
    )


def _raw(cells: Cells, plan: Plan) -> dict[str, Any]:
    return assemble(
        plan.choice, cells.__getitem__, len(cells["line"]), plan.options, plan.where
    ).columns


def _cells(chunk: records.Chunk, plan: Plan) -> Cells:
    """Return the columns of a chunk, with those that folders give."""
    layout = plan.layout
    if chunk.rows is not None:
        cells = cells_of_rows(chunk.rows, layout)
    else:
        cells = cells_by_pyarrow(chunk, layout) or cells_by_record(chunk, layout)
    count = len(cells["line"])
    return cells | {at: constant_cells(text, count) for at, text in plan.choice.folders.items()}


def cells_by_pyarrow(chunk: records.Chunk, layout: Layout) -> Cells | None:
    """Columns of a chunk with regular quotes, in file order but for ragged rows, which come last.

    None where pyarrow would see other rows: lone carriage returns, bytes that are no UTF-8, a mark
    of byte order that belongs to the first cell.
    """
    if chunk.data.startswith(codecs.BOM_UTF8):
        return None
    if b"\r" in chunk.data and chunk.data.count(b"\r") != chunk.data.count(b"\r\n"):
        return None
    if not records.is_utf8(chunk.data):
        return None
    ragged: list[tuple[int, str]] = []
    try:
        table = _table(chunk.data, layout, ragged)
    except pa.ArrowInvalid:
        return None
    lines = records.line_numbers(chunk, table.num_rows + len(ragged))
    if lines is None:
        return None
    columns: Cells = {index: table[str(index)].combine_chunks() for index in layout.indices}
    if not ragged:
        return columns | {"line": pa.array(lines)}
    at = np.array([number - 1 for number, _ in ragged])
    rows = [
        records.row_of(line, text, layout.delimiter, layout.width)
        for line, (_, text) in zip(lines[at].tolist(), ragged, strict=True)
        if text.strip()
    ]
    columns["line"] = pa.array(np.delete(lines, at))
    regular = len(columns["line"])
    return {
        name: pa.concat_arrays([columns.get(name, pa.nulls(regular, other.type)), other])
        for name, other in _as_in(columns, cells_of_rows(rows, layout)).items()
    }


def _as_in(columns: Cells, others: Cells) -> Cells:
    """The others, of the same types as the columns of the same name."""
    return {
        name: other.cast(columns[name].type) if name in columns else other
        for name, other in others.items()
    }


def _table(data: bytes, layout: Layout, ragged: list[tuple[int, str]]) -> pa.Table:
    """Parse regular rows; ragged ones are put aside, with their number among all from 1."""

    def put_aside(row: csv.InvalidRow) -> str:
        ragged.append((row.number, row.text))
        return "skip"

    kinds = {str(at): CODE if at in layout.coded else pa.string() for at in layout.indices}
    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(
            column_names=[str(index) for index in range(layout.width)],
            use_threads=False,
            block_size=len(data) + 1,
        ),
        parse_options=csv.ParseOptions(delimiter=layout.delimiter, invalid_row_handler=put_aside),
        convert_options=csv.ConvertOptions(
            include_columns=list(kinds),
            column_types=kinds,
            null_values=list(NULLS),
            strings_can_be_null=True,
        ),
    )


def cells_by_record(chunk: records.Chunk, layout: Layout) -> Cells:
    """The same columns, in file order, by the record parser: slower, and it takes any bytes."""
    rows, _ = records.parse(chunk.data, chunk.line, layout.delimiter, layout.width, is_last=True)
    return cells_of_rows(rows, layout)


def cells_of_rows(rows: list[records.Row], layout: Layout) -> Cells:
    columns: Cells = {
        index: pa.array([row.cells[index] for row in rows], pa.string()) for index in layout.indices
    }
    for index, column in columns.items():
        columns[index] = pc.if_else(pc.is_in(column, pa.array(NULLS)), None, column)
    return columns | {
        "line": pa.array([row.line for row in rows], pa.int64()),
        "fault": pa.array([row.detail and "missing_field" for row in rows], pa.string()),
        "detail": pa.array([row.detail for row in rows], pa.string()),
    }
