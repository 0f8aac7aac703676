"""Google Fit: data points of Takeout and of the API, and the Google Health table of 2026.

Points are in kg, with the noise of 32-bit floats in their digits; times are nanoseconds in UTC.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from weightstream.readers import exports
from weightstream.readers.block import FORMAT, Block, Parse, ReadOptions, given, raw_table_of_rows
from weightstream.readers.documents import (
    Records,
    fields_of,
    found_in,
    items_of,
    read_json,
    text_of,
)
from weightstream.readers.source import Source, head_of

_TYPE = "com.google.weight"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE = ["timestamp", "weight grams", "data source"]


def recognise(head: bytes, name: str) -> bool:
    """JSON that names the weight's data type, or the table's header."""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return b"com.google.weight" in head
    return _is_table(head)


def accompanies(head: bytes, place: str) -> bool:
    """Data points of other types."""
    return head.lstrip()[:1] == b"{" and b'"Data Points"' in head


def _is_table(head: bytes) -> bool:
    lines = exports.first_lines(head)
    return bool(lines) and exports.names_of(lines[0], ",") == _TABLE


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    if not _is_table(head_of(source)):
        return read_json(source, options, partial(_convert, user=user), _points)

    def convert(cells: exports.Cells) -> dict[str, Any]:
        return {
            "user_id": user,
            "time": cells["timestamp"],
            "source": cells["data source"] or "google_fit",
            "weight": cells["weight grams"],
            "unit": "g",
        }

    return exports.read_export(source, 1, "weight grams", convert, FORMAT)


def _points(document: Any) -> Iterator[Any]:
    """Points of data sets; each with its data set's own type where it says none."""
    for data in found_in(document, lambda one: "Data Points" in one or "point" in one):
        origin = text_of(data.get("Data Source")) or text_of(data.get("dataSourceId")) or ""
        kind = {"dataTypeName": _TYPE if _TYPE in origin else None}
        for point in items_of(data.get("Data Points")) or items_of(data.get("point")):
            yield kind | fields_of(point)


def _convert(records: Records, user: str) -> Block:
    points = [(line, fields_of(record)) for line, record in records]
    rows = [_row(point, line, user) for line, point in points if point.get("dataTypeName") == _TYPE]
    kinds = (text_of(point.get("dataTypeName")) or "" for _, point in points)
    # As summaries of a day, which nobody weighed.
    others = Counter(kind for kind in kinds if kind != _TYPE and _TYPE in kind)
    return Block(raw_table_of_rows(rows), FORMAT, skipped=len(points) - len(rows), others=others)


def _row(point: dict[str, Any], line: int, user: str) -> dict[str, Any]:
    modified = text_of(point.get("modifiedTimeMillis"))
    nanoseconds = text_of(point.get("startTimeNanos")) or text_of(point.get("endTimeNanos"))
    origin = text_of(point.get("originDataSourceId")) or ""
    return {
        "user_id": user,
        "time": _utc(nanoseconds, 1000),
        "source": origin.split(":")[2] if origin.count(":") >= 2 else "google_fit",
        "weight": _rounded(_value(point)),
        "unit": "kg",
        "updated": _utc(modified + "000", 1) if modified else None,
        "line": line,
    }


def _value(point: dict[str, Any]) -> str | None:
    values = items_of(point.get("fitValue")) or items_of(point.get("value"))
    first = fields_of(values[0]) if values else {}
    return text_of(fields_of(first.get("value")).get("fpVal")) or text_of(first.get("fpVal"))


def _rounded(weight: str | None) -> str | None:
    """To grams: further digits come from the float that held the value."""
    try:
        return str(Decimal(weight or "").quantize(Decimal("0.001")))
    except InvalidOperation:
        return weight


def _utc(number: str | None, per_microsecond: int) -> str | None:
    try:
        moment = _EPOCH + timedelta(microseconds=int(number or "") // per_microsecond)
    except (ValueError, OverflowError):
        return number
    return moment.isoformat()
