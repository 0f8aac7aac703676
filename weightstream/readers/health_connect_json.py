"""Health Connect's weight records as apps write them in JSON: the weight in every unit at once.

https://developer.android.com/reference/kotlin/androidx/health/connect/client/records/WeightRecord
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from weightstream.readers.block import FORMAT, Block, Parse, ReadOptions, given, raw_table_of_rows
from weightstream.readers.documents import Records, fields_of, found_in, read_json, text_of
from weightstream.readers.source import Source

_UNITS = {
    "inKilograms": "kg", "inGrams": "g", "inPounds": "lb", "inOunces": "oz",
    "kilograms": "kg", "grams": "g", "pounds": "lb", "ounces": "oz",
}  # fmt: skip
_WEIGHT = re.compile(
    rb'"weight"\s*:\s*\{[^{}]*"(?:in(?:Kilograms|Grams|Pounds)|kilograms|grams|pounds)"'
)


def recognise(head: bytes, name: str) -> bool:
    """JSON with a weight that is an object of units."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start in (b"{", b"[") and _WEIGHT.search(head) is not None


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. It names no person: --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    return read_json(source, options, partial(_convert, user=user), _weighings)


def _weighings(document: Any) -> Iterator[Any]:
    """Records with a time, or a known unit, and a weight that is an object."""

    def is_one(one: dict[str, Any]) -> bool:
        weight = fields_of(one.get("weight"))
        return bool(weight) and ("time" in one or bool(_UNITS.keys() & weight.keys()))

    return found_in(document, is_one)


def _convert(records: Records, user: str) -> Block:
    rows = []
    for line, record in records:
        weight, metadata = fields_of(record["weight"]), fields_of(record.get("metadata"))
        origin = metadata.get("dataOrigin")
        told = next((name for name in _UNITS if name in weight), None)
        rows.append(
            {
                "user_id": user,
                "time": text_of(record.get("time")),
                "source": text_of(origin)
                or text_of(fields_of(origin).get("packageName"))
                or "health_connect",
                "weight": text_of(weight[told] if told else weight.get("value")),
                "unit": _UNITS[told] if told else text_of(weight.get("unit")),
                "record_id": text_of(metadata.get("id")),
                "updated": text_of(metadata.get("lastModifiedTime")),
                "line": line,
            }
        )
    return Block(raw_table_of_rows(rows), FORMAT)
