"""Samsung Health: com.samsung.health.weight.*.csv of its export.

A line of its own above the header, a comma too many at each row's end, always kg. Whether
start_time is in UTC or local is not settled: parsers disagree, and no real export is at hand.
"""

from collections.abc import Iterator
from typing import Any

from weightstream.errors import InputError
from weightstream.readers import exports
from weightstream.readers.block import FORMAT, Parse, ReadOptions, given
from weightstream.readers.source import Source

_PREFIXES = ("com.samsung.health.weight,", "com.samsung.shealth.weight,")


def recognise(head: bytes, name: str) -> bool:
    """The first line names the data type."""
    lines = exports.first_lines(head)
    return bool(lines) and lines[0].startswith(_PREFIXES)


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. --user is required, and --timezone: UTC if start_time is UTC."""
    user = given(options.user, source, "whose weights it holds", "--user")
    if options.timezone is None:
        raise InputError(
            f"{source} does not say whether its times are UTC or local; compare one with the app,"
            " and give --timezone UTC or the local zone"
        )
    if options.unit is not None:
        raise InputError(f"{source} is of Samsung Health, which writes kg; leave --unit out")

    def convert(cells: exports.Cells) -> dict[str, Any]:
        # Newer exports put the data type's name before some of the column names.
        short = {name.rsplit(".", 1)[-1]: cell for name, cell in cells.items() if name}
        return {
            "user_id": user,
            "time": short.get("start_time"),
            "source": short.get("pkg_name") or "samsung_health",
            "weight": short.get("weight"),
            "unit": "kg",
            "record_id": short.get("datauuid"),
            "updated": short.get("update_time"),
        }

    return exports.read_export(source, 2, "weight", convert, FORMAT)
