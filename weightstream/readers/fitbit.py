"""Fitbit: weight-*.json of Google Takeout, and answers of the body-weight log API.

Neither states its unit. Takeout has pounds, the API what was asked for; the body mass index that
stands beside each weight tells which, since only one gives a person's height.
"""

import re
from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

from weightstream.errors import InputError
from weightstream.parsing.units import POUND_KG, required_unit
from weightstream.readers.block import (
    BMI,
    OPTION,
    Block,
    Dialect,
    Parse,
    ReadOptions,
    given,
    raw_table_of_rows,
)
from weightstream.readers.documents import Records, fields_of, found_in, read_json, text_of
from weightstream.readers.source import Source

HEIGHTS_M = (1.40, 2.10)
"""Of adults; a height that was taken in the wrong unit of weight is off by a factor of 1.48."""

_LOG_ID = re.compile(rb'"logId"\s*:')
_WEIGHT = re.compile(rb'"weight"\s*:')
_SHORT_YEARS = Dialect(date_order="mdy")


def recognise(head: bytes, name: str) -> bool:
    """JSON with logId and weight."""
    return _is_json(head) and bool(_LOG_ID.search(head)) and bool(_WEIGHT.search(head))


def _is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def accompanies(head: bytes, place: str) -> bool:
    """Other files of the export: JSON that speaks of no weight in its first bytes."""
    return _is_json(head) and b"weight" not in head.lower()


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. --user is required, --unit only where no bmi proves the unit."""
    user = given(options.user, source, "whose weights it holds", "--user")
    convert = partial(_convert, source=source, user=user, unit=options.unit)
    return read_json(source, options, convert, _logs)


def _logs(document: Any) -> Iterator[Any]:
    return found_in(document, lambda one: "logId" in one)


def _convert(records: Records, source: Source, user: str, unit: str | None) -> Block:
    logs = [(line, fields_of(record)) for line, record in records]
    weighings = [(line, log) for line, log in logs if "weight" in log]
    proven = _unit_by_bmi([log for _, log in weighings])
    if proven and unit and required_unit(unit) != proven:
        raise InputError(f"{source} proves by its bmi that its unit is {proven}; leave --unit out")
    known = proven or unit
    if weighings and known is None:
        given(None, source, "its unit, and has no bmi that proves it", "--unit")
    rows = [_row(log, line, user, known) for line, log in weighings]
    return Block(
        raw_table_of_rows(rows), BMI if proven else OPTION, _SHORT_YEARS, len(logs) - len(rows)
    )


def _unit_by_bmi(logs: list[dict[str, Any]]) -> str | None:
    """kg or lb, if the median height that follows is a person's with just one of them."""
    squares = []
    for log in logs:
        try:
            squares.append(float(log["weight"]) / float(log["bmi"]))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            continue
    if not squares:
        return None
    shortest, tallest = (height**2 for height in HEIGHTS_M)
    square = median(squares)
    is_kg = shortest <= square <= tallest
    is_lb = shortest <= square * float(POUND_KG) <= tallest
    return None if is_kg == is_lb else "kg" if is_kg else "lb"


def _row(log: dict[str, Any], line: int, user: str, unit: str | None) -> dict[str, Any]:
    day, clock = text_of(log.get("date")), text_of(log.get("time"))
    via = text_of(log.get("source"))
    return {
        "user_id": user,
        "time": f"{day} {clock}" if day and clock else day,
        "source": f"fitbit-{via.lower()}" if via else "fitbit",
        "weight": text_of(log.get("weight")),
        "unit": unit,
        "record_id": text_of(log.get("logId")),
        "line": line,
    }
