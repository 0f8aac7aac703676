"""openScale: CSV of 2.x, always kg, and of 3.x, in a unit that it does not state."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from weightstream.errors import InputError
from weightstream.readers import exports
from weightstream.readers.block import FORMAT, OPTION, Parse, ReadOptions, given
from weightstream.readers.source import Source, head_of

_ALONGSIDE = {"fat", "water", "muscle", "lbm", "comment"}


def recognise(head: bytes, name: str) -> bool:
    """dateTime and weight (2.x), or DATE, TIME and WEIGHT (3.x), beside what a scale measures."""
    return _version(head) is not None


def _version(head: bytes) -> int | None:
    lines = exports.first_lines(head)
    names = set(exports.names_of(lines[0], ",")) if lines else set()
    if "weight" not in names or len(names & _ALONGSIDE) < 2:
        return None
    return 2 if "datetime" in names else 3 if {"date", "time"} <= names else None


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. --user is required, and --unit for files of 3.x."""
    user = given(options.user, source, "whose weights it holds", "--user")
    version = _version(head_of(source))
    if version == 2 and options.unit is not None:
        raise InputError(f"{source} is of openScale 2, which always writes kg; leave --unit out")
    unit = "kg" if version == 2 else given(options.unit, source, "its unit", "--unit")

    def convert(cells: exports.Cells) -> dict[str, Any]:
        day, clock = cells.get("date"), cells.get("time")
        weight = cells.get("weight")
        return {
            "user_id": user,
            "time": cells.get("datetime") or (f"{day} {clock}" if day and clock else day),
            "source": "openscale",
            "weight": None if _is_zero(weight) else weight,
            "unit": unit,
        }

    return exports.read_export(source, 1, "weight", convert, FORMAT if version == 2 else OPTION)


def _is_zero(weight: str | None) -> bool:
    """Zero stands for "not measured"."""
    try:
        return Decimal(weight or "") == 0
    except InvalidOperation:
        return False
