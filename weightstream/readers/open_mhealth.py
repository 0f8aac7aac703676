"""Open mHealth body-weight data points, schema versions 1.x to 3.x: single, a list, or NDJSON.

https://www.openmhealth.org/schemas/omh_body-weight
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from weightstream.errors import InputError
from weightstream.readers.block import (
    EACH_RECORD,
    NAMELESS,
    Block,
    Parse,
    ReadOptions,
    named_user,
    raw_table_of_rows,
)
from weightstream.readers.documents import (
    Records,
    fields_of,
    found_in,
    read_json,
    text_of,
)
from weightstream.readers.source import Source

_DURATIONS = {
    "ms": timedelta(milliseconds=1),
    "sec": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "wk": timedelta(weeks=1),
}


def recognise(head: bytes, name: str) -> bool:
    """JSON with a body_weight."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start in (b"{", b"[") and b'"body_weight"' in head


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. In a list, `line` is the position of the data point."""
    convert = partial(_convert, source=source, options=options)
    return read_json(source, options, convert, _data_points, (b'"body_weight"',))


def _data_points(document: Any) -> Iterator[Any]:
    """Of a list each element counts, a data point of another kind too."""
    for one in document if isinstance(document, list) else [document]:
        found = list(found_in(one, lambda value: "body_weight" in _body(value)))
        yield from found or [one]


def _body(point: dict[str, Any]) -> dict[str, Any]:
    return point if "body_weight" in point else fields_of(point.get("body"))


def _convert(records: Records, source: Source, options: ReadOptions) -> Block:
    rows, skipped = [], 0
    for line, record in records:
        points = list(_data_points(record))
        if len(points) > 1:
            raise InputError(f"{source} holds several data points on a line; give them as a list")
        point = fields_of(points[0])
        body = _body(point)
        if "body_weight" not in body:
            skipped += 1
        else:
            header = fields_of(point.get("header"))
            rows.append(_row(header, body, line, source, options))
    return Block(raw_table_of_rows(rows), EACH_RECORD, skipped=skipped)


def _row(
    header: dict[str, Any], body: dict[str, Any], line: int, source: Source, options: ReadOptions
) -> dict[str, Any]:
    weight = fields_of(body["body_weight"])
    provenance = fields_of(header.get("acquisition_provenance"))
    user = named_user(text_of(header.get("user_id")), source, options)
    row = {
        "user_id": user,
        "time": _time(fields_of(body.get("effective_time_frame"))),
        "source": text_of(provenance.get("source_name")) or "open_mhealth",
        "weight": text_of(weight.get("value")),
        "unit": text_of(weight.get("unit")),
        "record_id": text_of(header.get("id")) or text_of(header.get("uuid")),
        "updated": text_of(header.get("creation_date_time"))
        or text_of(header.get("source_creation_date_time")),
        "line": line,
    }
    if not user:
        row |= NAMELESS
    elif body.get("descriptive_statistic") is not None:
        row |= {
            "fault": "not_body_weight",
            "detail": "the value is a statistic of several weighings",
        }
    elif row["time"] is None:
        row |= {"fault": "bad_timestamp", "detail": "the record does not tell its time"}
    return row


def _time(frame: dict[str, Any]) -> str | None:
    """The moment, or the start of an interval that two of start, end and duration tell."""
    moment = text_of(frame.get("date_time"))
    if moment:
        return moment
    interval = fields_of(frame.get("time_interval"))
    start, end = (text_of(interval.get(name)) for name in ("start_date_time", "end_date_time"))
    duration = fields_of(interval.get("duration"))
    if start:
        return start if end or duration else None
    return _earlier(end, duration) if end else None


def _earlier(end: str, duration: dict[str, Any]) -> str | None:
    try:
        length = float(duration["value"]) * _DURATIONS[duration["unit"]]
        return (datetime.fromisoformat(end) - length).isoformat()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
