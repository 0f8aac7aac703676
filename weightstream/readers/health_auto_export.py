"""Health Auto Export: the JSON that the app writes and posts. Its CSV is a table like others.

https://github.com/Lybron/health-auto-export/wiki: metrics by name, each with its unit.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from weightstream.parsing.units import canonical_unit
from weightstream.readers.block import (
    EACH_RECORD,
    OPTION,
    Block,
    Parse,
    ReadOptions,
    given,
    raw_table_of_rows,
)
from weightstream.readers.documents import (
    Records,
    fields_of,
    found_in,
    items_of,
    read_json,
    text_of,
)
from weightstream.readers.source import Source

_START = re.compile(rb'\{\s*"data"\s*:\s*\{')
_METRICS = re.compile(rb'"(?:metrics|workouts)"\s*:\s*\[')
_NO_WORD = re.compile(r"\W+")
_WEIGHTS = ("weight_body_mass", "body_mass", "weight")


def recognise(head: bytes, name: str) -> bool:
    """JSON of metrics that state their units, or whose data may be empty."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"[") or not _METRICS.search(text):
        return False
    return _START.match(text) is not None or b'"units"' in text


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    return read_json(source, options, partial(_convert, user=user, unit=options.unit), _points)


def _points(document: Any) -> Iterator[Any]:
    """(name of the metric, its unit, point), of one export or several."""
    for data in found_in(document, lambda one: "metrics" in one):
        for metric in map(fields_of, items_of(data["metrics"])):
            name, unit = text_of(metric.get("name")), text_of(metric.get("units"))
            for point in items_of(metric.get("data")):
                yield name, unit, fields_of(point)


def _convert(records: Records, user: str, unit: str | None) -> Block:
    rows: list[dict[str, Any]] = []
    skipped, others = 0, Counter[str]()
    for line, (name, its_unit, point) in records:
        if _NO_WORD.sub("_", name or "").lower() in _WEIGHTS:
            rows.append(
                {
                    "user_id": user,
                    "time": text_of(point.get("date")),
                    "source": text_of(point.get("source")) or "health_auto_export",
                    "weight": text_of(point.get("qty")),
                    "unit": its_unit or unit,
                    "line": line,
                }
            )
            continue
        skipped += 1
        if name and canonical_unit(its_unit or ""):
            others[name] += 1
    unit_from = f"{EACH_RECORD}, else {OPTION}" if unit else EACH_RECORD
    return Block(raw_table_of_rows(rows), unit_from, skipped=skipped, others=others)
