"""Garmin Connect: Weight.csv, and JSON of its export and API.

CSV: a row with a date above the rows of its times, the unit in each cell, "--" for nothing.
JSON: grams, with the time in UTC beside the local one; totals and averages have no such time.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from weightstream.readers import exports, records
from weightstream.readers.block import (
    EACH_RECORD,
    FORMAT,
    Block,
    Parse,
    ReadOptions,
    given,
    raw_table_of_rows,
)
from weightstream.readers.documents import Number, Records, fields_of, read_json, text_of
from weightstream.readers.source import Source, head_of, open_source

_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_MONTH_FIRST = re.compile(r"([A-Za-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})")
_DAY_FIRST = re.compile(r"(\d{1,2})\.? ([A-Za-z]{3})[a-z]*\.? (\d{4})")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_QUANTITY = re.compile(r"([^a-zA-Z\s]+)\s*([a-zA-Z]+)")
_HEADER = ["time", "weight", "change", "bmi"]


def recognise(head: bytes, name: str) -> bool:
    """The table's header, or JSON with weight and timestampGMT."""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return b'"timestampGMT"' in head and b'"weight"' in head
    return _is_table(head)


def _is_table(head: bytes) -> bool:
    lines = exports.first_lines(head)
    return bool(lines) and exports.names_of(lines[0], ",")[:4] == _HEADER


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    if _is_table(head_of(source)):
        return _read_table(source, user)
    return read_json(source, options, partial(_convert, user=user), _weighings)


def _read_table(source: Source, user: str) -> Iterator[Parse]:
    """Rows follow from the date above them, so they are converted in order."""
    day: str | None = None
    with open_source(source) as stream:
        width = len(exports.names_of(records.decode(stream.readline(records.MAX_LINE)), ","))
        for rows in records.rows(stream, ",", width, 2):
            converted = []
            for row in rows:
                first = (row.cells[0] or "").strip()
                if not any((cell or "").strip() for cell in row.cells[1:]):
                    day = first
                    continue
                converted.append(_table_row(row, day, first, user))
            yield partial(Block, raw_table_of_rows(converted), EACH_RECORD)


def _table_row(row: records.Row, day: str | None, clock: str, user: str) -> dict[str, Any]:
    cell = (row.cells[1] or "").strip()
    quantity = _QUANTITY.fullmatch(cell)
    weight, unit = quantity.groups() if quantity else (cell, None)
    raw = {
        "user_id": user,
        "time": f"{_iso_date(day)} {clock}" if day and _CLOCK.match(clock) else clock,
        "source": "garmin",
        "weight": None if weight == "--" else weight,
        "unit": unit,
        "line": row.line,
    }
    return raw | ({"fault": "missing_field", "detail": row.detail} if row.detail else {})


def _iso_date(text: str) -> str:
    """A date with an English month's name as 2024-01-31; what is none of these, unchanged."""
    text = text.strip()
    first, second = _MONTH_FIRST.fullmatch(text), _DAY_FIRST.fullmatch(text)
    month, day, year = (
        (first[1], first[2], first[3])
        if first
        else (second[2], second[1], second[3])
        if second
        else ("", "", "")
    )
    if _ISO.fullmatch(text) or month.lower() not in _MONTHS:
        return text
    return f"{year}-{_MONTHS[month.lower()]:02}-{int(day):02}"


def _weighings(document: Any) -> Iterator[Any]:
    """Every object with a time in UTC and a weight, wherever it stands."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        elif isinstance(value, dict):
            if value.get("timestampGMT") is not None and isinstance(value.get("weight"), Number):
                yield value
            else:
                pending.extend(reversed(value.values()))


def _convert(found: Records, user: str) -> Block:
    rows = []
    for line, record in found:
        weighing = fields_of(record)
        via = text_of(weighing.get("sourceType"))
        rows.append(
            {
                "user_id": user,
                "time": _utc(text_of(weighing.get("timestampGMT"))),
                "source": f"garmin-{via.lower()}" if via else "garmin",
                "weight": text_of(weighing.get("weight")),
                "unit": "g",
                "record_id": text_of(weighing.get("samplePk")),
                "line": line,
            }
        )
    return Block(raw_table_of_rows(rows), FORMAT)


def _utc(text: str | None) -> str | None:
    """Milliseconds since 1970, or a wall time in UTC, with its Z."""
    if text is None or not text.removeprefix("-").isdigit():
        return f"{text}Z" if text else None
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return text
