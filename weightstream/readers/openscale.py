"""openScale: CSV of 2.x, always kg, and of 3.x, in a unit that it does not state."""

from collections.abc import Iterator
from dataclasses import replace

from weightstream.errors import InputError
from weightstream.readers import exports, records
from weightstream.readers.block import FORMAT, OPTION, Parse, ReadOptions, given
from weightstream.readers.column_names import is_user, parse_name
from weightstream.readers.delimited import read_table
from weightstream.readers.source import Source, head_of

_OWN = {"biceps", "caliper1", "lbm", "visceralfat"}
"""Columns that few other tables have."""
_ALONGSIDE = {"fat", "water", "muscle", "bone", "waist", "comment", "bmi"}


def recognise(head: bytes, name: str) -> bool:
    """dateTime and weight beside what a scale measures (2.x), or DATE, TIME and WEIGHT (3.x)."""
    return _version(head) is not None


def _version(head: bytes) -> int | None:
    lines = exports.first_lines(head)
    cells = [cell.strip() for cell in records.cells_of(lines[0], ",")] if lines else []
    if any(is_user(parse_name(cell)) for cell in cells):
        return None
    names = {cell.lower() for cell in cells}
    if {"dateTime", "weight"} <= set(cells) and names & _OWN and len(names & _ALONGSIDE) >= 2:
        return 2
    shouted = {"DATE", "TIME", "WEIGHT"} <= set(cells) and all(
        map(str.isupper, filter(None, cells))
    )
    return 3 if shouted and len(names & _ALONGSIDE) >= 3 else None


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. --user is required, and --unit for files of 3.x."""
    given(options.user, source, "whose weights it holds", "--user")
    version = _version(head_of(source))
    if version == 2 and options.unit is not None:
        raise InputError(f"{source} is of openScale 2, which always writes kg; leave --unit out")
    unit = "kg" if version == 2 else given(options.unit, source, "its unit", "--unit")
    unit_from = FORMAT if version == 2 else OPTION
    return read_table(source, replace(options, unit=unit), "openscale", unit_from)
