"""Garmin Connect: Weight.csv, and JSON of its export and API.

CSV: a row with a date above the rows of its times, the unit in each cell, "--" for nothing.
JSON: grams, with the time in UTC beside the local one; totals and averages have no such time.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import pairwise
from typing import Any

from weightstream.errors import InputError
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
from weightstream.readers.documents import Records, fields_of, found_in, read_json, text_of
from weightstream.readers.source import Source, head_of, open_source

_CLOCK = re.compile(r"\s*\d{1,2}[:.]\d{2}.*", re.DOTALL)
_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")
_BOM = b"\xef\xbb\xbf"
_EPOCH = datetime(1970, 1, 1)
_MILLISECONDS = re.compile(r"-?\d{1,17}", re.ASCII)
_DAYS = re.compile(rb'"(?:dateWeightList|dailyWeightSummaries)"\s*:\s*\[')
"""A view of days, which may be empty."""


def recognise(head: bytes, name: str) -> bool:
    """The table's header, JSON with weight and timestampGMT, or a view of days without any."""
    if head.removeprefix(_BOM).lstrip()[:1] in (b"{", b"["):
        return (b'"timestampGMT"' in head and b'"weight"' in head) or bool(_DAYS.search(head))
    return _is_table(head)


def accompanies(head: bytes, place: str) -> bool:
    """Other data of the same account, as its export lays them out."""
    return "/DI_CONNECT/" in f"/{place}" and b'"weight"' not in head


def _is_table(head: bytes) -> bool:
    """Whether a line that holds a date alone stands above one that begins with a time of day.

    That is so in every language of an account; names of columns are in it.
    """
    lines = exports.first_lines(head, 12)
    rows = [records.cells_of(line, ",") for line in lines if line.strip()]
    if len(rows) < 3 or len(rows[0]) < 3:
        return False
    return any(
        _is_day(day) and _CLOCK.fullmatch(row[0]) and len(row) >= 2
        for day, row in pairwise(rows[1:])
    )


def _is_day(cells: list[str]) -> bool:
    return not any(map(str.strip, cells[1:])) and _YEAR.search(cells[0]) is not None


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    head = head_of(source)
    if _is_table(head):
        return _read_table(source, user)
    if head.removeprefix(_BOM).lstrip()[:1] not in (b"{", b"["):
        raise InputError(
            f"{source} is neither JSON nor a table of Garmin's, in which a date stands above times"
        )
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
    weight = (row.cells[1] or "").strip()
    raw = {
        "user_id": user,
        "time": f"{day} {clock}" if day and _CLOCK.match(clock) else clock,
        "source": "garmin",
        "weight": None if weight == "--" else weight,  # with its unit
        "line": row.line,
    }
    return raw | ({"fault": "missing_field", "detail": row.detail} if row.detail else {})


def _weighings(document: Any) -> Iterator[Any]:
    """Every object with a time in UTC and a weight."""
    return found_in(
        document,
        lambda one: one.get("timestampGMT") is not None and bool(text_of(one.get("weight"))),
    )


def _convert(found: Records, user: str) -> Block:
    rows = []
    for line, record in found:
        weighing = fields_of(record)
        via = text_of(weighing.get("sourceType"))
        rows.append(
            {
                "user_id": user,
                "time": _time(
                    text_of(weighing.get("timestampGMT")),
                    text_of(weighing.get("timestampLocal")) or text_of(weighing.get("date")),
                ),
                "source": f"garmin-{via.lower()}" if via else "garmin",
                "weight": text_of(weighing.get("weight")),
                "unit": "g",
                "record_id": text_of(weighing.get("samplePk")),
                "line": line,
            }
        )
    return Block(raw_table_of_rows(rows), FORMAT)


def _time(gmt: str | None, local: str | None) -> str | None:
    """The time in UTC; beside a local one, both written as if in UTC, with its offset."""
    moment, wall = _moment(gmt), _moment(local)
    if moment is None:
        return gmt and (gmt if _MILLISECONDS.fullmatch(gmt) else f"{gmt}Z")
    offset = wall - moment if wall else timedelta(0)
    if offset % timedelta(minutes=15) or abs(offset) > timedelta(hours=14):
        offset = timedelta(0)
    try:
        local_time = moment + offset
    except OverflowError:  # at the end of the year 9999
        return gmt
    return local_time.replace(tzinfo=timezone(offset)).isoformat(timespec="milliseconds")


def _moment(text: str | None) -> datetime | None:
    """Milliseconds since 1970, or an ISO time without zone, as such a time; else None."""
    if not text:
        return None
    try:
        if _MILLISECONDS.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(text))
        moment = datetime.fromisoformat(text) if ":" in text else None
    except (OverflowError, ValueError):
        return None
    return moment if moment and moment.tzinfo is None else None
