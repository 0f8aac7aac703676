"""Withings: the CSV export (weight.csv), and answers of the measure API.

CSV: localised header with the unit in brackets, wall times, newest first. API:
https://developer.withings.com/api-reference#tag/measure/operation/measure-getmeas
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from weightstream.errors import InputError
from weightstream.readers import delimited, exports, records
from weightstream.readers.block import (
    FORMAT,
    Block,
    Parse,
    ReadOptions,
    given,
    raw_table_of_rows,
)
from weightstream.readers.column_names import (
    is_user,
    names_no_weighing,
    names_part,
    parse_name,
    time_fit,
    weight_fit,
)
from weightstream.readers.documents import (
    Records,
    fields_of,
    found_in,
    items_of,
    read_json,
    text_of,
)
from weightstream.readers.source import Source, head_of

_COMPANION = re.compile(
    r"(?:.*/)?(?:(?:raw|aggregates|timeline)_[\w-]+|activities|bp|height|sleep|(?:manual_)?spo2"
    r"|signal|installed_app)\.csv"
)
_WEIGHT, _GOAL = "1", "2"
_SOURCES = {
    "0": "withings",
    "1": "withings-ambiguous",  # the scale was not sure whom it weighed
    "2": "withings-manual",
    "4": "withings-manual",
}


def recognise(head: bytes, name: str) -> bool:
    """Measures of the API, or the table's header."""
    return b'"measuregrps"' in head or _is_table(head)


def _is_table(head: bytes) -> bool:
    """Whether the header is a time, the weight and parts of the body in the same unit, comments.

    Names are in the language of the account. With all five masses the places tell; with fewer, the
    words have to.
    """
    lines = exports.first_lines(head)
    names = list(map(parse_name, records.cells_of(lines[0], ","))) if lines else []
    if len(names) < 4 or any(map(is_user, names)):
        return False
    time, weight, *parts, comments = names
    units = {one.unit if one.text.endswith(")") else None for one in (weight, *parts)}
    if time.unit or comments.unit or len(units) != 1 or None in units:
        return False
    if len(parts) == 4 and not names_no_weighing(weight):
        return True
    return bool(time_fit(time) and weight_fit(weight)) and all(map(names_part, parts))


def accompanies(head: bytes, place: str) -> bool:
    """Tables of other measures in the same export."""
    return _COMPANION.fullmatch(place) is not None


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    head = head_of(source)
    if b'"measuregrps"' in head:
        return read_json(source, options, partial(_convert, user=user), _groups)
    if not _is_table(head):
        raise InputError(
            f"{source} does not have the columns of a Withings export; see docs/formats.md"
        )
    if options.unit is not None:
        raise InputError(f"{source} states its unit in its header; leave --unit out")
    cells = records.cells_of(exports.first_lines(head)[0], ",")
    places = {"time": parse_name(cells[0]).text, "weight": parse_name(cells[1]).text}
    named = places | dict(options.named)
    return delimited.read_table(source, replace(options, named=named), "withings")


def _groups(document: Any) -> Iterator[Any]:
    """The groups of one answer or several, each with one measure of weight.

    What else a group weighed at that time comes as a group of its own, under an id of its own.
    """
    for body in found_in(document, lambda one: "measuregrps" in one):
        zone = {"timezone": body.get("timezone")}
        for group in map(fields_of, items_of(body.get("measuregrps"))):
            measures = map(fields_of, items_of(group.get("measures")))
            weights = [one for one in measures if text_of(one.get("type")) == _WEIGHT]
            number = text_of(group.get("grpid"))
            yield zone | group | {"weight": weights[0] if weights else None}
            for place, weight in enumerate(weights[1:], 2):
                yield zone | group | {"weight": weight, "grpid": number and f"{number}-{place}"}


def _convert(records: Records, user: str) -> Block:
    rows, skipped, goals = [], 0, 0
    for line, group in records:
        weight = group["weight"]
        goals += bool(weight) and text_of(group.get("category")) == _GOAL
        if not weight or text_of(group.get("category")) == _GOAL:
            skipped += 1
            continue
        value, exponent = (text_of(weight.get(name)) for name in ("value", "unit"))
        attribution = text_of(group.get("attrib")) or "0"
        rows.append(
            {
                "user_id": user,
                "time": _time(text_of(group.get("date")), text_of(group.get("timezone"))),
                "source": _SOURCES.get(attribution, "withings"),
                "weight": f"{value}e{exponent}" if value and exponent else value,
                "unit": "kg",
                "record_id": text_of(group.get("grpid")),
                "updated": _time(text_of(group.get("modified")), None),
                "line": line,
            }
        )
    others = {"goal": goals} if goals else {}
    return Block(raw_table_of_rows(rows), FORMAT, skipped=skipped, others=others)


def _time(seconds: str | None, zone: str | None) -> str | None:
    """Seconds since 1970 with the offset of the zone, else with Z."""
    try:
        place = ZoneInfo(zone) if zone else UTC
    except (ValueError, OSError):  # no such zone
        place = UTC
    try:
        return datetime.fromtimestamp(int(seconds or ""), place).isoformat()
    except (ValueError, OverflowError, OSError):
        return seconds
