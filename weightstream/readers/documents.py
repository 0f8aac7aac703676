"""JSON sources: one document, or one object a line (NDJSON). Numbers stay as they are written."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, BinaryIO

import pyarrow as pa

from weightstream.errors import InputError
from weightstream.readers.block import Block, Parse, ReadOptions, raw_table_of_rows
from weightstream.readers.records import decode
from weightstream.readers.source import Source, open_source

MAX_DOCUMENT = 64 << 20
"""Larger single documents are refused: they would have to be held as a whole, many times over."""
MAX_LINE = 16 << 20
LEAST_LINE = 1 << 16
"""A second line, which shows whether lines are records, is looked at up to here at least."""

Records = Iterable[tuple[int, Any]]
"""(line or position, record), one at a time: parsed records are large, and few are to be alive at
once.
"""
Convert = Callable[[Records], Block]
_NOT_JSON = {"fault": "missing_field", "detail": "the line is not a complete JSON object"}
Flatten = Callable[[Any], Iterator[Any]]
"""From a document to its records."""

_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Number(str):
    """The text of a JSON number."""

    __slots__ = ()


_WRITTEN = (Number, int, float)
_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)


def parse_json(text: bytes) -> Any:
    """Parse JSON. Raises ValueError if the bytes are none.

    Texts that are no UTF-8 are taken as Windows-1252, as in tables; half a character, which JSON
    can write, stands as it is written: `\\ud83d`.
    """
    text = text.removeprefix(_BOM)
    try:
        whole = text.decode()
        odd = _SURROGATE.search(text) is not None
    except UnicodeDecodeError:
        whole, odd = text.decode(errors="surrogateescape"), True
    try:
        value = _DECODER.decode(whole)
        return _encodable(value) if odd else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _encodable(value: Any) -> Any:
    """The same with texts that UTF-8 can hold."""
    if isinstance(value, dict):
        return {_encodable(name): _encodable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    if type(value) is not str or value.isascii():
        return value
    try:
        return decode(value.encode(errors="surrogateescape"))
    except UnicodeEncodeError:
        return value.encode(errors="backslashreplace").decode()


def text_of(value: Any) -> str | None:
    """The value as text if it is a text or a number, else None."""
    kind = type(value)
    if kind is str:
        return value
    return str(value) if kind in _WRITTEN else None


def items_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def fields_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def found_in(
    document: Any, is_wanted: Callable[[dict[str, Any]], bool]
) -> Iterator[dict[str, Any]]:
    """The outermost objects that are wanted, in their order, whatever lists and objects hold them.

    Answers come in pages, and pages in lists, under `data` or `body`: no two collectors agree.
    """
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        elif isinstance(value, dict):
            if is_wanted(value):
                yield value
            else:
                pending.extend(reversed(value.values()))


def read_json(
    source: Source,
    options: ReadOptions,
    convert: Convert,
    flatten: Flatten,
    wanted: tuple[bytes, ...] = (),
    parse_line: Callable[[bytes], Any] = parse_json,
) -> Iterator[Parse]:
    """Parse a JSON source.

    flatten: a single document to its records, which are numbered from 1 instead of lines.
    wanted: a line of NDJSON that holds none of these is skipped without being parsed; empty
    where the lines of NDJSON are documents of their own, such as pages of answers.
    parse_line: a faster parse_json for lines of NDJSON.
    Raises InputError if a single document is no JSON or larger than MAX_DOCUMENT.
    """
    with open_source(source) as stream:
        first, line = _first_line(stream)
        second = stream.readline(min(max(options.block_bytes, LEAST_LINE), MAX_LINE))
        rest = second + stream.read(options.block_bytes)
        ndjson = bool(rest.strip()) and _is_ndjson(first, second)
        if wanted and ndjson:
            for data, start in _line_chunks(stream, first + rest, line, options.block_bytes):
                yield partial(_parse_lines, data, start, convert, wanted, parse_line)
            return
        document = first + rest + stream.read(MAX_DOCUMENT)
    if len(document) > MAX_DOCUMENT:
        raise InputError(
            f"{source} is one JSON document of more than {MAX_DOCUMENT >> 20} MiB; give it as"
            " NDJSON, one record a line"
        )
    lines = document.splitlines() if ndjson else [document]
    values, broken = _parsed([line for line in lines if line.strip()])
    if not values:
        raise InputError(f"{source} is not complete JSON; fetch it again")
    yield partial(_convert_documents, values if ndjson else values[0], broken, flatten, convert)


def _parsed(texts: list[bytes]) -> tuple[list[Any], int]:
    """The documents, and how many texts are none."""
    values, broken = [], 0
    for text in texts:
        try:
            values.append(parse_json(text))
        except ValueError:
            broken += 1
    return values, broken


def _convert_documents(value: Any, broken: int, flatten: Flatten, convert: Convert) -> Block:
    """Records numbered from 1, then a faulty row for each document that cannot be read."""
    position = 0

    def records() -> Iterator[tuple[int, Any]]:
        nonlocal position
        for record in flatten(value):
            position += 1
            yield position, record

    block = convert(records())
    numbers = range(position + 1, position + broken + 1)
    return _with_broken(block, numbers)


def _with_broken(block: Block, lines: Sequence[int]) -> Block:
    """The block with a faulty row for each line that holds no record."""
    if not lines:
        return block
    broken = raw_table_of_rows([{"line": line} | _NOT_JSON for line in lines])
    return replace(block, rows=pa.concat_tables([block.rows, broken]).sort_by("line"))


def _first_line(stream: BinaryIO) -> tuple[bytes, int]:
    """The first line that is not blank, and its number."""
    for number in count(1):
        line = stream.readline(MAX_LINE)
        if not line or line.strip():
            return line, number
    raise AssertionError


def _is_ndjson(first: bytes, second: bytes) -> bool:
    """Whether lines are objects. One that is damaged, be it the first, is one bad record."""
    opens = first.removeprefix(_BOM).lstrip()[:1] == b"{"
    return _is_object(first) or (opens and _is_object(second))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False


def _line_chunks(
    stream: BinaryIO, start: bytes, line: int, block_bytes: int
) -> Iterator[tuple[bytes, int]]:
    """Whole lines and the number of the first; a line of more than MAX_LINE bytes comes cut."""
    carry = start
    while True:
        more = stream.read(block_bytes)
        data = carry + more
        cut = data.rfind(b"\n") + 1 if more else len(data)
        if cut == 0 and len(data) > MAX_LINE:
            yield data[:1024], line
            carry, line = _rest_of_line(stream), line + 1
            continue
        if cut:
            yield data[:cut], line
        line += data.count(b"\n", 0, cut)
        carry = data[cut:]
        if not more:
            return


def _rest_of_line(stream: BinaryIO) -> bytes:
    """Skip to the end of the line; what was read beyond it."""
    while part := stream.read(1 << 20):
        end = part.find(b"\n") + 1
        if end:
            return part[end:]
    return b""


def _holds(text: bytes, words: tuple[bytes, ...]) -> bool:
    for word in words:  # noqa: SIM110 any() over a generator takes three times as long
        if word in text:
            return True
    return False


def _parse_lines(
    data: bytes,
    line: int,
    convert: Convert,
    wanted: tuple[bytes, ...],
    parse_line: Callable[[bytes], Any],
) -> Block:
    skipped = 0
    broken: list[int] = []

    def records() -> Iterator[tuple[int, Any]]:
        nonlocal skipped
        for number, text in enumerate(map(bytes.strip, data.split(b"\n")), line):
            if not text:
                continue
            if not _holds(text, wanted) and text[:1] == b"{" and text[-1:] == b"}":
                skipped += 1
                continue
            try:
                value = parse_line(text)
            except ValueError:
                broken.append(number)
                continue
            yield number, value

    block = convert(records())
    return _with_broken(replace(block, skipped=block.skipped + skipped), broken)
