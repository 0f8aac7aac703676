"""Where the table in a delimited text begins: its header, its delimiter, and rows to look at."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from weightstream.errors import InputError
from weightstream.parsing.layouts import layout_of_text
from weightstream.parsing.quantities import quantity_of
from weightstream.readers import column_names as names
from weightstream.readers import records
from weightstream.readers.block import ReadOptions
from weightstream.readers.column_names import PHRASES, parse_name
from weightstream.readers.standards import standard_of
from weightstream.readers.table import SAMPLE_ROWS

DELIMITERS = ",;\t|"
MAX_COLUMNS = 10_000
HEADER_LINES = 40
"""Lines in which a header is looked for: titles and notes may stand above it."""
BOM = b"\xef\xbb\xbf"

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_DOCUMENT = re.compile(rb"[{<]|\[\s*[\[\]{]|%PDF-|\x89PNG|\xff\xd8\xff")
"""How JSON, XML, PDF and pictures begin."""
_SEP = re.compile(rb"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """cells: the names as written. line: on which they stand, from 1. rows: those that follow, as
    many as the sample holds. above: lines that are passed over, other than blank ones. units: of
    a row below the names that states them; `line` is then its line.
    """

    delimiter: str
    cells: list[str]
    line: int
    rows: list[list[str | None]]
    above: int = 0
    units: tuple[str, ...] = ()


def is_text(head: bytes) -> bool:
    """Whether it is text at all."""
    text = head.removeprefix(BOM).lstrip()
    first_line = text.split(b"\n", 1)[0]
    return bool(head) and not _CONTROL.search(first_line) and not _DOCUMENT.match(text)


def names_weighings(head: bytes) -> bool:
    """Return whether a line near the start names a time and a weight."""
    return any(is_header(cells) for _, _, cells in _candidates(head.removeprefix(BOM)))


def find_header(head: bytes, where: str, options: ReadOptions) -> Header:
    """The first line that names a time and a weight, else the one with the most cells.

    head: the start of the file. Raises InputError for what is no table of text.
    """
    if not head.strip():
        raise InputError(f"{where} is empty; there is nothing to read in it")
    _check_text(head, where)
    head = head.removeprefix(BOM)
    wanted = frozenset(name.strip().casefold() for name in options.named.values())
    best: tuple[int, str, list[str]] | None = None
    for number, delimiter, cells in _candidates(head):
        if len(cells) > MAX_COLUMNS:
            raise InputError(f"{where} has more than {MAX_COLUMNS:,} columns; give one with fewer")
        if is_header(cells, wanted):
            best = number, delimiter, cells
            break
        if best is None or len(cells) > len(best[2]):
            best = number, delimiter, cells
    if best is None:
        raise InputError(f"{where} is empty; there is nothing to read in it")
    number, delimiter, cells = best
    lines = head.split(b"\n")
    above = sum(bool(line.strip()) and not _SEP.fullmatch(line) for line in lines[: number - 1])
    rows = _sample(lines[number:], delimiter, len(cells))
    if all(row.detail for row in rows):
        wider = _sample(lines[number:], delimiter, len(cells) + 1)
        if _are_numbered(wider) and not _has_times(cells, rows):
            cells, rows = ["", *cells], wider
    units = names.units_below(cells, rows[0].cells) if rows else ()
    if units:
        number, rows = number + rows[0].line, rows[1:]
    return Header(delimiter, cells, number, [row.cells for row in rows], above, units)


def _check_text(head: bytes, where: str) -> None:
    line = head.removeprefix(BOM).lstrip().split(b"\n", 1)[0]
    if _CONTROL.search(line):
        raise InputError(f"{where} is not a text table; give a CSV file, or say its --format")
    if b"\r" in line.rstrip():
        raise InputError(f"{where} ends its lines with bare carriage returns; save it with LF")


def _candidates(head: bytes) -> Iterator[tuple[int, str, list[str]]]:
    """Lines near the start with their number, as cells by each delimiter, the most cells first."""
    forced = None
    for number, line in enumerate(head.split(b"\n", HEADER_LINES)[:HEADER_LINES], 1):
        if match := _SEP.fullmatch(line.rstrip(b"\r")):
            forced = match[1].decode("latin-1")
            continue
        text = records.decode(line)
        if not text.strip():
            continue
        rows = [(one, records.cells_of(text, one)) for one in forced or DELIMITERS]
        for delimiter, cells in sorted(rows, key=lambda row: -len(row[1])):
            yield number, delimiter, cells


def is_header(cells: list[str], wanted: frozenset[str] = frozenset()) -> bool:
    """Whether names of a time and of a weight, or of a value, are among the cells.

    wanted: names that a person gave; a line that holds them all is the header.
    """
    if len(cells) < 2:
        return False
    if wanted and wanted <= {cell.strip().strip('"').casefold() for cell in cells}:
        return True
    if any(map(is_datum, cells)):
        return False
    if standard_of(cells):
        return True
    parsed = [parse_name(cell) for cell in cells if len(cell) <= 200]
    ages = (*PHRASES["age_days"], *PHRASES["age_years"])
    return any(names.time_fit(one) or one.phrase in ages for one in parsed) and any(
        names.weight_fit(one) or names.value_fit(one) for one in parsed
    )


def is_datum(cell: str) -> bool:
    """Whether a cell is a number or a time, and so no name of a column."""
    digits = sum(character.isdigit() for character in cell)
    return digits >= 6 or (digits > 0 and quantity_of(cell, True) is not None)


def _has_times(cells: list[str], rows: list[records.Row]) -> bool:
    """Whether there is a time where the header names one; then a row's last cells are too many."""
    places = [at for at, cell in enumerate(cells) if names.time_fit(parse_name(cell))]
    return any(layout_of_text(row.cells[at] or "") for row in rows for at in places)


def _are_numbered(rows: list[records.Row]) -> bool:
    """Whether each row begins with its number, as R's do, under a header without a name for it."""
    first = [row.cells[0] or "" for row in rows if row.detail is None and row.cells[-1] is not None]
    numbers = [int(text) for text in first if text.isascii() and text.isdecimal() and len(text) < 9]
    return len(numbers) == len(rows) > 0 and all(a < b for a, b in pairwise(numbers))


def _sample(lines: list[bytes], delimiter: str, width: int) -> list[records.Row]:
    """The rows that follow, without the last line, which may be cut off."""
    some = lines[: 4 * SAMPLE_ROWS]
    whole = len(some) < len(lines) or not lines or not lines[-1]
    body = b"\n".join(some if whole or len(some) == 1 else some[:-1])
    rows, _ = records.parse(body, 1, delimiter, width, is_last=True)
    return rows[:SAMPLE_ROWS]
