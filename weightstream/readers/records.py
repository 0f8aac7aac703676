"""Lines, quotes and records of delimited text.

A record may run over lines where a quoted cell holds line ends. One that does not end within
MAX_RECORD_LINES lines and MAX_RECORD_BYTES bytes, or that does not have the header's number of
cells when it does, was not meant: its first line is a faulty record by itself, and reading goes
on with the next line, so that a quote which is never closed costs one line.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

MAX_LINE = 4 << 20
"""Longer lines are not kept; they count as one faulty record."""
MAX_RECORD_LINES = 1000
MAX_RECORD_BYTES = 1 << 20

_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')

# The standard limit of 128 KiB a cell is below what files hold; lines are bounded above.
csv.field_size_limit(2 * MAX_LINE)


@dataclass(frozen=True)
class Row:
    """One record. cells: as many as the header has. detail: one sentence on its fault, or None."""

    line: int
    cells: list[str | None]
    detail: str | None = None


@dataclass(frozen=True)
class Chunk:
    """Whole records. line: of the file, on which the first begins. rows: set if parsed already."""

    data: bytes
    line: int
    rows: list[Row] | None = None


def chunks(
    stream: BinaryIO, delimiter: str, width: int, line: int, block_bytes: int
) -> Iterator[Chunk]:
    """Cut a stream into chunks of about block_bytes; memory is bounded by the largest record."""
    carry = b""
    while True:
        more = stream.read(block_bytes)
        data = carry + more
        cut = data.rfind(b"\n") + 1 if more else len(data)
        if cut == 0 and len(data) > MAX_LINE:
            detail = f"the line is longer than {MAX_LINE >> 20} MiB"
            yield Chunk(b"", line, [Row(line, [None] * width, detail)])
            carry, line = _after_line(stream), line + 1
            continue
        body = data[:cut]
        if not is_regular(body, delimiter):
            rows, cut = parse(body, line, delimiter, width, is_last=not more)
            yield Chunk(b"", line, rows)
        elif body:
            yield Chunk(body, line)
        line += data.count(b"\n", 0, cut)
        carry = data[cut:]
        if not more:
            return


def _after_line(stream: BinaryIO) -> bytes:
    """Skip to the end of the line, and return what was read beyond it."""
    while part := stream.read(1 << 20):
        end = part.find(b"\n") + 1
        if end:
            return part[end:]
    return b""


def rows(stream: BinaryIO, delimiter: str, width: int, line: int) -> Iterator[list[Row]]:
    """The records of a small table, chunk by chunk."""
    for chunk in chunks(stream, delimiter, width, line, 1 << 20):
        if chunk.rows is not None:
            yield chunk.rows
        else:
            yield parse(chunk.data, chunk.line, delimiter, width, is_last=True)[0]


def is_regular(data: bytes, delimiter: str) -> bool:
    """Whether quotes stand only around whole cells or doubled in them, and hold no line end."""
    if b'"' not in data:
        return True
    text = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(text == ord('"'))
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = np.flatnonzero(closing[:-1] + 1 == opening[1:])
    borders = np.zeros(256, dtype=bool)
    borders[[ord(delimiter), ord("\n"), ord("\r")]] = True
    starts = borders[text[opening - 1]] | (opening == 0)
    starts[doubled + 1] = True
    ends = borders[text[np.minimum(closing + 1, len(text) - 1)]] | (closing == len(text) - 1)
    ends[doubled] = True
    breaks = np.flatnonzero(text == ord("\n"))
    closed = np.searchsorted(quotes, breaks) % 2 == 0
    return bool(np.all(starts) and np.all(ends) and np.all(closed))


def is_utf8(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def line_numbers(chunk: Chunk, count: int) -> npt.NDArray[np.int64] | None:
    """(count,) line of each record, if each is one line that is not blank; else None."""
    lines = chunk.data.count(b"\n") + (not chunk.data.endswith(b"\n"))
    if lines == count:
        return np.arange(chunk.line, chunk.line + count)
    text = np.frombuffer(chunk.data, dtype=np.uint8)
    ends = np.append(np.flatnonzero(text == ord("\n")), len(text))
    starts = np.concatenate([[0], ends[:-1] + 1])
    length = ends - starts
    length -= (length > 0) & (text[ends - 1] == ord("\r"))
    filled = np.flatnonzero(length > 0) + chunk.line
    return filled if len(filled) == count else None


def parse(
    data: bytes, line: int, delimiter: str, width: int, is_last: bool
) -> tuple[list[Row], int]:
    """Records of whole lines, and how many bytes they take.

    A record that is still open at the end of the data is left for the next chunk, unless is_last.
    """
    texts = data.split(b"\n")
    if texts[-1] == b"":
        texts.pop()
    rows: list[Row] = []
    index = used = 0
    while index < len(texts):
        text = decode(texts[index])
        taken = 1
        if text.strip():
            row, taken = _record(texts, index, text, delimiter, width, is_last)
            if row is None:
                break
            rows.append(Row(line + index, row.cells, row.detail))
        used += sum(len(one) + 1 for one in texts[index : index + taken])
        index += taken
    return rows, min(used, len(data))


def _record(
    texts: list[bytes], index: int, first: str, delimiter: str, width: int, is_last: bool
) -> tuple[Row | None, int]:
    """The record that begins at texts[index], and its number of lines; None if more is needed."""
    if '"' not in first or not _is_open(first, delimiter):
        return _row(cells_of(first, delimiter), width), 1
    parts, size = [first], len(texts[index])
    for end in range(index + 1, index + MAX_RECORD_LINES):
        if size > MAX_RECORD_BYTES:
            break
        if end == len(texts):
            if is_last:
                break
            return None, 0
        parts.append(decode(texts[end]))
        size += len(texts[end]) + 1
        if '"' in parts[-1] and not _is_open("\n".join(parts), delimiter):
            cells = _strict_cells("\n".join(parts), delimiter)
            if len(cells) == width:
                return Row(0, list(cells)), len(parts)
            break
    cells = first.replace('"', "").split(delimiter)
    detail = "a quote is opened in the line and not closed as it should be"
    return Row(0, _padded(cells, width), detail), 1


def row_of(line: int, text: str, delimiter: str, width: int) -> Row:
    """The record of one line whose quotes are regular."""
    row = _row(cells_of(text, delimiter), width)
    return Row(line, row.cells, row.detail)


def _row(cells: list[str], width: int) -> Row:
    extra = any(cell.strip() for cell in cells[width:])
    detail = f"the row has {len(cells)} cells and the header {width}" if extra else None
    return Row(0, _padded(cells, width), detail)


def _padded(cells: list[str], width: int) -> list[str | None]:
    return [*cells[:width], *[None] * (width - len(cells))]


def decode(line: bytes) -> str:
    """One line as text: UTF-8, else Windows-1252, else Latin-1; without its line end."""
    line = line.rstrip(b"\r\n")
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding).replace("\r", " ")
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1").replace("\r", " ")


def cells_of(text: str, delimiter: str) -> list[str]:
    """The cells of one record. A quote may follow spaces."""
    if '"' not in text:
        return text.split(delimiter)
    return next(_reader(text, delimiter, strict=False), [])


def _strict_cells(text: str, delimiter: str) -> list[str]:
    """The cells of a record, none if a quote ends within a cell."""
    try:
        return next(_reader(text, delimiter, strict=True), [])
    except csv.Error:
        return []


def _reader(text: str, delimiter: str, strict: bool) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    spaced = any(start > 0 for start in _quotes(text, delimiter))
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, strict=strict)


def _quotes(text: str, delimiter: str) -> Iterator[int]:
    """The number of spaces before the quote of each quoted cell; -1 for one that does not end."""
    position = 0
    while True:
        start = position
        while text.startswith(" ", position):
            position += 1
        if text.startswith('"', position):
            yield position - start
            match = _QUOTED.match(text, position)
            if match is None:
                yield -1
                return
            position = match.end()
        position = text.find(delimiter, position) + 1
        if position == 0:
            return


def _is_open(text: str, delimiter: str) -> bool:
    """Whether a quoted cell has not ended yet."""
    return -1 in _quotes(text, delimiter)
