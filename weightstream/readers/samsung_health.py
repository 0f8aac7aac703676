"""Samsung Health: com.samsung.health.weight.*.csv of its export.

A line of its own above the header, a comma too many at each row's end, always kg. start_time is in
UTC, as text or as milliseconds since 1970, and time_offset beside it tells the local time: so take
it FromSamToGarm, Samsung's data dictionary ("UTC milliseconds") and most public parsers.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from weightstream.errors import InputError
from weightstream.readers import exports
from weightstream.readers.block import FORMAT, Parse, ReadOptions, given
from weightstream.readers.source import Source

_NOTE = "start_time is read as UTC, with time_offset beside it"
_PREFIXES = ("com.samsung.health.weight,", "com.samsung.shealth.weight,")


def recognise(head: bytes, name: str) -> bool:
    """The first line names the data type."""
    lines = exports.first_lines(head)
    return bool(lines) and lines[0].startswith(_PREFIXES)


def accompanies(head: bytes, place: str) -> bool:
    """Tables of other data types, and the files that belong to their rows."""
    lines = exports.first_lines(head, 1)
    return (bool(lines) and lines[0].startswith("com.samsung.")) or "/com.samsung." in f"/{place}"


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. --user is required."""
    user = given(options.user, source, "whose weights it holds", "--user")
    if options.unit is not None:
        raise InputError(f"{source} is of Samsung Health, which writes kg; leave --unit out")

    def convert(cells: exports.Cells) -> dict[str, Any]:
        # Newer exports put the data type's name before some of the column names.
        short = {name.rsplit(".", 1)[-1]: cell for name, cell in cells.items() if name}
        return {
            "user_id": user,
            "time": _local(short.get("start_time"), short.get("time_offset")),
            "source": short.get("pkg_name") or "samsung_health",
            "weight": short.get("weight"),
            "unit": "kg",
            "record_id": short.get("datauuid"),
            "updated": _local(short.get("update_time"), None),
        }

    return exports.read_export(source, 2, "weight", convert, FORMAT, notes=(_NOTE,))


def _local(utc: str | None, offset: str | None) -> str | None:
    """A time in UTC with the offset of where it was; in another layout, as a time in UTC."""
    if not utc:
        return None
    try:
        if utc.isascii() and utc.isdigit():
            moment = datetime.fromtimestamp(int(utc) / 1000, UTC)
        else:
            moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
        east = datetime.strptime((offset or "UTC+0000").upper().replace("GMT", "UTC"), "UTC%z")
        return moment.astimezone(east.tzinfo).isoformat(" ", "milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{utc}Z" if ":" in utc else utc
