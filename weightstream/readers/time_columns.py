"""Which columns of a table tell when a weight was measured: one, or a date and a time of day."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from weightstream.parsing.layouts import layout_of_text
from weightstream.parsing.times import parse_times
from weightstream.readers import column_names as names
from weightstream.readers.column_names import PLAIN, word_set
from weightstream.readers.table import Column, Table, own_first

INSTANT, DAY, CLOCK, SERIAL = "instant", "day", "clock", "serial"
"""What the cells of a column hold: date and time of day, one of them, or days of Excel. A share of
a day is a time of day, as Excel has it.
"""

_CLOCK = re.compile(
    r"(?:1899-12-3[01][ T]|1900-01-0[01][ T]|[上下]午|午[前後]|오[전후])? ?"
    r"\d{1,2}[:.h]\d{2}([:.]\d{2}([.,]\d+)?)?"
    r"( ?([ap]\.? ?m\.?|uhr))?",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(\d{1,2})\.(\d{2})\.\d{2}")
"""31.01.24 is a day, 9.33.45 a time of day, and 09.10.11 may be either."""
_SERIAL = re.compile(r"[1-9]\d{4}([.,]\d+)?")
_COMPACT = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d")
_SHARE = re.compile(r"0?[.,]\d{1,17}")
_MIDNIGHT = re.compile(r".*\D00:00(:00([.,]0+)?)?(Z|[+-]00:?00)?", re.DOTALL)
_SPECIFIC = word_set(
    "effective measured measurement observed observation taken weighed weighing charttime"
    " recorded start startdate starttime measurementdate measurementtime effectivedatetime"
    " reading"
)
"""Words that speak of the weighing itself, and so come before a mere timestamp."""
_IMPORT_SPAN_DAYS = 2
"""Times that all lie so near to each other, after the dates beside them, are of an import."""


@dataclass(frozen=True)
class ChosenTimes:
    """chosen: the column of the time, or those of date and time of day; none where none is there.

    updated: that of when the source last changed a row.
    """

    chosen: tuple[int, ...] = ()
    updated: int | None = None


def choose_times(table: Table) -> ChosenTimes:
    """Raises InputError where two columns may be the time and do not say the same."""
    told = table.told("time")
    if told is not None:
        return _chosen(table, [told])
    told_day, told_clock = table.told("date"), table.told("clock")
    if told_day is not None and told_clock is not None:
        return _chosen(table, [told_day, told_clock])
    found: dict[str, list[Column]] = {kind: [] for kind in (INSTANT, DAY, CLOCK, SERIAL)}
    for column in table.left:
        kind = _kind(column)
        if kind is not None and names.time_fit(column.name):
            found[kind].append(column)
    _leave_out_folders(found)
    changed = _set_apart_timestamps(found)
    days = [told_day] if told_day is not None else found[DAY] or found[SERIAL]
    clocks = [told_clock] if told_clock is not None else _plain_ones(found[CLOCK])
    clocks = clocks or _empty_clocks(table)
    instants = [] if told_day is not None else found[INSTANT]
    if clocks and not days and instants and all(map(_is_midnight, instants)):
        days, instants = instants, []
    if instants:
        return _of_instants(table, _best(instants), days, changed)
    if days:
        day = _one_of(table, _best(days))
        clock = [_one_of(table, clocks)] if clocks else []
        return _chosen(table, [day, *clock], changed)
    return _by_content(table)


def _leave_out_folders(found: dict[str, list[Column]]) -> None:
    """Take out days of folders where rows have their own: often that on which they were stored."""
    kinds = (INSTANT, DAY, SERIAL)
    kept = own_first([column for kind in kinds for column in found[kind]])
    for kind in kinds:
        found[kind] = [column for column in found[kind] if column in kept]


def _empty_clocks(table: Table) -> list[Column]:
    """A column for times of day that has none in the first rows; later ones may."""
    named = [c for c in table.left if not c.cells and names.speaks_of_clock(c.name)]
    return _plain_ones(named)[:1]


def _set_apart_timestamps(found: dict[str, list[Column]]) -> list[Column]:
    """Take out a column called timestamp where another speaks of the weighing itself: then it tells
    when the row was changed.
    """
    timed = [*found[INSTANT], *found[DAY]]
    if not any(column.name.words & _SPECIFIC for column in _plain_ones(timed)):
        return []
    apart = [column for column in timed if column.name.phrase == "timestamp"]
    for kind in (INSTANT, DAY):
        found[kind] = [column for column in found[kind] if column not in apart]
    return apart


def _of_instants(
    table: Table, instants: Sequence[Column], days: Sequence[Column], changed: Sequence[Column]
) -> ChosenTimes:
    """The instant, unless it is when a file was imported; the date beside it then is the time."""
    specific = [column for column in instants if column.name.words & _SPECIFIC]
    instant = _one_of(table, specific if len(specific) == 1 else instants)
    others = [*changed, *(column for column in instants if column is not instant)]
    plain_days = _plain_ones(days)
    differing = [day for day in plain_days if not _same_days(instant, day)]
    if names.time_fit(instant.name) < PLAIN or not differing:
        return _chosen(table, [instant], others)
    day = differing[0]
    if _is_of_import(instant, day):
        table.notes.append(
            f"{table.listing([day])} is used as the time; {table.listing([instant])} is within"
            " a few days in all rows, like times of an import"
        )
        return _chosen(table, [day], [instant])
    raise table.refuse_several([instant, day], "time", "the time")


def _chosen(table: Table, chosen: Sequence[Column], others: Sequence[Column] = ()) -> ChosenTimes:
    table.taken |= {column.index for column in chosen}
    unread = [
        c
        for c in table.left
        if c.cells
        and not names.rules_out_time(c.name)
        and (names.speaks_of_clock(c.name) or (_holds_clocks(c) and ":" in c.texts[0]))
    ]
    if len(chosen) == 1 and _kind(chosen[0]) != INSTANT and unread:
        table.notes.append(
            f"{table.listing(unread)} is not read: the date alone is the time; if it is the time"
            f" of day, give {table.how_to_name('clock', unread[0].name.text)}"
        )
    changed = [
        column
        for column in table.left
        if _kind(column) in (INSTANT, DAY)
        and (names.is_time_of_change(column.name) or column.name.phrase == "timestamp")
    ]
    updated = next((column.index for column in (*others, *changed)), None)
    return ChosenTimes(tuple(column.index for column in chosen), updated)


def _by_content(table: Table) -> ChosenTimes:
    """Where no name tells: the only column whose cells are all dates, with or without a time."""
    found = [
        column
        for column in table.left
        if not names.rules_out_time(column.name) and _share(column, (INSTANT, DAY)) >= 0.9
    ]
    found = [column for column in found if not all(text.isdigit() for text in column.texts)]
    if len(found) > 1 and not all(_says_the_same(found[0], other) for other in found[1:]):
        raise table.refuse_several(found, "time", "the time")
    if found:
        table.notes.append(f"{table.listing(found[:1])} is used as the time, because of its cells")
        return _chosen(table, found[:1])
    # Without cells that can be read the name tells; each row then says what is wrong with it.
    named = [c for c in table.left if names.time_fit(c.name) and not _holds_clocks(c)]
    return _chosen(table, _best(named)[:1])


def holds_times(column: Column) -> bool:
    """Whether cells are dates, with or without a time of day, whatever the column is called."""
    return _kind(column) in (INSTANT, DAY)


def _holds_clocks(column: Column) -> bool:
    """Whether cells are times of day; a bare number such as .29 is one beside a date alone."""
    return _kind(column) == CLOCK and any(map(_CLOCK.fullmatch, column.texts))


def _plain_ones(columns: Sequence[Column]) -> list[Column]:
    return [column for column in columns if names.time_fit(column.name) == PLAIN]


def _best(columns: Sequence[Column]) -> list[Column]:
    return _plain_ones(columns) or list(columns)


def _one_of(table: Table, columns: Sequence[Column]) -> Column:
    """The first, if the others say the same."""
    first = columns[0]
    if all(_says_the_same(first, other) for other in columns[1:]):
        return first
    raise table.refuse_several(columns, "time", "the time")


def _says_the_same(one: Column, other: Column) -> bool:
    return not other.cells or other.cells == one.cells or _times(one) == _times(other)


def _kind(column: Column) -> str | None:
    """What the cells hold; None if less than half of them are times. One time of day beside dates
    is enough to make them instants: the others do not tell theirs.
    """
    counts = Counter(map(_kind_of_text, column.texts))
    if dotted := [match for text in column.texts if (match := _DOTTED.fullmatch(text))]:
        counts[CLOCK] -= len(dotted)
        counts[_kind_of_dotted(column, dotted)] += len(dotted)
    if 2 * counts[None] > len(column.cells) or not column.cells:
        return None
    if 2 * counts[CLOCK] >= len(column.cells):
        return CLOCK
    return next((kind for kind in (INSTANT, DAY, SERIAL, CLOCK) if counts[kind]), None)


def _kind_of_dotted(column: Column, dotted: Sequence[re.Match[str]]) -> str:
    """What numbers with two dots are: what one of them proves, else what the name says."""
    if any(int(match[1]) > 23 for match in dotted):
        return DAY
    if any(int(match[2]) > 12 for match in dotted):
        return CLOCK
    return CLOCK if names.speaks_of_clock(column.name) else DAY


def _share(column: Column, kinds: Sequence[str]) -> float:
    return sum(_kind_of_text(text) in kinds for text in column.texts) / (len(column.cells) or 1)


def _kind_of_text(text: str) -> str | None:
    if _CLOCK.fullmatch(text) or _SHARE.fullmatch(text) or _COMPACT.fullmatch(text):
        return CLOCK
    layout = layout_of_text(text)
    if layout is not None:
        return INSTANT if layout.number == "epoch" or layout.has("h") else DAY
    return SERIAL if _SERIAL.fullmatch(text) else None


def _is_midnight(column: Column) -> bool:
    return all(_MIDNIGHT.fullmatch(text) for text in column.texts)


def _times(column: Column) -> dict[int, int]:
    """Microseconds since 1970 by row, of the cells that can be read."""
    times = parse_times(pa.array(column.texts, pa.string()), "UTC", None)
    return {
        row: us
        for row, us, bad in zip(column.cells, times.us.tolist(), times.bad, strict=True)
        if not bad
    }


def _days(column: Column) -> dict[int, int]:
    times = parse_times(pa.array(column.texts, pa.string()), "UTC", None)
    return {
        row: day
        for row, day, bad in zip(column.cells, times.day.tolist(), times.bad, strict=True)
        if not bad
    }


def _same_days(instant: Column, day: Column) -> bool:
    """Whether nearly all rows have the same day in both, or, in another zone, the next to it."""
    left, right = _days(instant), _days(day)
    rows = left.keys() & right.keys()
    return not rows or sum(abs(left[row] - right[row]) <= 1 for row in rows) >= 0.9 * len(rows)


def _is_of_import(instant: Column, day: Column) -> bool:
    left, right = _days(instant), _days(day)
    rows = sorted(left.keys() & right.keys())
    span = np.ptp([left[row] for row in rows])
    return (
        span <= _IMPORT_SPAN_DAYS
        and span < np.ptp([right[row] for row in rows])
        and all(left[row] >= right[row] for row in rows)
    )
