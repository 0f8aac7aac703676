"""Libra: the CSV export, whose first lines state version and unit. Its trends are not read.

Version 6 writes UTC with Z, version 5 and earlier wall times.
"""

import re
from collections.abc import Iterator
from typing import Any

from weightstream.errors import InputError
from weightstream.readers import exports
from weightstream.readers.block import HEADER, OPTION, Parse, ReadOptions, given
from weightstream.readers.source import Source, head_of

_VERSION = re.compile(r"#\s*Version\s*:\s*\d+", re.IGNORECASE)
_UNITS = re.compile(r"#\s*Units\s*:\s*(\S+)", re.IGNORECASE)
_COLUMNS = re.compile(r"#?\s*date;weight;.*", re.IGNORECASE)


def recognise(head: bytes, name: str) -> bool:
    """A line with the version, and the columns' names with semicolons."""
    lines = exports.first_lines(head)
    return any(map(_VERSION.match, lines)) and any(map(_COLUMNS.match, lines))


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. --user is required, and --unit only where the file states none."""
    user = given(options.user, source, "whose weights it holds", "--user")
    lines = exports.first_lines(head_of(source))
    stated = next((match[1] for match in map(_UNITS.match, lines) if match), None)
    if stated and options.unit is not None:
        raise InputError(f"{source} states its unit itself; leave --unit out")
    unit = given(stated or options.unit, source, "its unit", "--unit")
    header = next((at for at, line in enumerate(lines, 1) if _COLUMNS.match(line)), 1)

    def convert(cells: exports.Cells) -> dict[str, Any] | None:
        time = cells.get("#date") or cells.get("date")
        if time and time.startswith("#"):
            return None
        return {
            "user_id": user,
            "time": time,
            "source": "libra",
            "weight": cells.get("weight"),
            "unit": unit,
        }

    return exports.read_export(
        source,
        header,
        "weight",
        convert,
        HEADER if stated else OPTION,
        delimiter=";",
    )
