"""Times: from text to UTC, never to "now".

Texts are grouped by their layout (the text with every digit replaced by 0). Each layout is parsed
once, and its rows are then computed as columns of digits.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.parsing.digits import (
    Bytes,
    Ints,
    by_shape,
    date_digits,
    field_of,
    matrix,
    month_lengths,
    month_starts,
    offset_digits,
    second_digits,
    strings,
    with_plain_spaces,
)
from weightstream.parsing.layouts import DAY_ORIGINS, DateOrder, Layout, layout_of
from weightstream.parsing.zones import (
    DAY_US,
    local_from_utc,
    offsets_by_abbreviation,
    utc_from_local,
)

Bools = npt.NDArray[np.bool_]

NOON_US = DAY_US // 2
_PIVOT = 69
"""Years of two digits below it are in this century (POSIX)."""
_EARLIEST_EPOCH_US = 1_000_000_000_000_000  # 2001-09-09: a number with fewer digits may be anything
_LATEST_EPOCH_US = 4_102_444_800_000_000  # 2100

_CANONICAL = re.compile(rb"0000-00-00(T00:00:00Z?)?")


@dataclass(frozen=True)
class Times:
    """The parsed times of N texts; if a text is bad, its other fields are null or meaningless.

    us: (N,) int64, microseconds since 1970 UTC; a date alone is at 12:00 local.
    day: (N,) int64, days since 1970-01-01 of the date as written.
    hour: (N,) float32, local hour of the day; nan where only the date is known.
    wall, effective_at: (N,) string, see schema.MEASUREMENT. bad: (N,) bool.
    """

    us: Ints
    day: Ints
    hour: npt.NDArray[np.float32]
    wall: pa.StringArray
    effective_at: pa.StringArray
    bad: Bools


def parse_times(texts: pa.StringArray, timezone: str, date_order: DateOrder | None) -> Times:
    """Parse N texts; times without an offset are wall times of the IANA zone `timezone`.

    A wall time that a clock change repeats means the first; one that it skips is moved forward by
    the skipped amount. Without date_order, dates such as 03/04/2024 are bad unless only one order
    is possible.
    """
    texts = with_plain_spaces(texts)
    parts: list[Times] = []
    rows: list[Ints] = []
    unknown: list[Ints] = []
    for shape, members in by_shape(texts):
        layout = layout_of(shape, date_order)
        if layout is None:
            unknown.append(members)
            continue
        # Most blocks have one layout; then nothing is copied.
        group = texts if len(members) == len(texts) else texts.take(pa.array(members))
        parts.append(_parse_group(group, layout, timezone, date_order))
        rows.append(members)
    if unknown:
        rows.append(np.concatenate(unknown))
        parts.append(_all_bad(len(rows[-1])))
    if len(parts) == 1 and not unknown:
        return parts[0]
    return _reassemble(parts, rows)


def utc_text(us: Ints) -> pa.StringArray:
    """(N,) microseconds since 1970 UTC to 2024-01-31T07:12:33Z, years 1-9999."""
    zed = np.full((len(us), 1), ord("Z"), dtype=np.uint8)
    return strings(np.hstack([second_digits(us), zed]))


def _parse_group(
    texts: pa.StringArray, layout: Layout, timezone: str, order: DateOrder | None
) -> Times:
    digits = matrix(texts, len(layout.shape))
    if layout.number == "epoch":
        return _instants(*_since_1970(digits, layout), timezone)
    if layout.number == "serial":
        return _excel_days(digits, layout, timezone, DAY_ORIGINS[order or "excel1900"])
    day, bad = _date(digits, layout, order)
    canonical = _CANONICAL.fullmatch(layout.shape) is not None
    if not layout.has("h"):
        return _dates(day, bad, timezone, texts if canonical else None)
    clock_us, bad_clock = _clock(digits, layout)
    bad = bad | bad_clock
    local = np.where(bad, 0, day * DAY_US + clock_us)
    east_us, bad_zone = _east_of_utc(digits, local, layout, timezone)
    bad = bad | bad_zone
    zoned = east_us is not None
    east = east_us if east_us is not None else np.zeros_like(local)
    wall = texts if canonical else _wall(local, digits, layout, east if zoned else None)
    us = local - east if zoned else utc_from_local(local, timezone)
    clock_us = local % DAY_US
    if layout.has("zone") and np.any(east == 0):  # offset zero gives the instant, not the place
        at_home = local_from_utc(us, layout.region or timezone) % DAY_US
        clock_us = np.where(east == 0, at_home, clock_us)
    at = _effective_at(us, local, wall, digits, layout, zoned)
    return Times(us, day, _hours(clock_us), wall, at, bad)


def _hours(clock_us: Ints) -> npt.NDArray[np.float32]:
    # The last milliseconds of a day would round to 24.
    return np.minimum((clock_us / 3.6e9).astype(np.float32), np.nextafter(np.float32(24), 0))


def _date(digits: Bytes, layout: Layout, order: DateOrder | None) -> tuple[Ints, Bools]:
    """Return (N,) days since 1970-01-01, and where a text is not a date or is ambiguous."""
    year, month, date = (field_of(digits, layout, name) for name in ("y", "m", "d"))
    doubtful = np.zeros(len(digits), dtype=bool)
    if layout.month is not None:
        month = np.full_like(date, layout.month)
    if layout.has("a"):
        first, second = (field_of(digits, layout, name) for name in ("a", "b"))
        if order in ("dmy", "mdy"):
            day_first = np.full(len(digits), order == "dmy")
        else:
            day_first, doubtful = first > 12, is_doubtful(first, second, layout)
        date, month = np.where(day_first, first, second), np.where(day_first, second, first)
    if layout.digits("y") == 2:
        year = year + np.where(year < _PIVOT, 2000, 1900)
    month_index = year * 12 + np.clip(month, 1, 12) - 1
    day = month_starts()[month_index] + date - 1
    bad = (month < 1) | (month > 12) | (date < 1) | (date > month_lengths()[month_index])
    return day, bad | doubtful


def is_doubtful(first: Ints, second: Ints, layout: Layout) -> Bools:
    """Return (N,) whether dates that begin with two numbers could mean several days.

    24-01-31 may begin with the year, as well as with the day.
    """
    if layout.digits("y") == 2 and layout.has_dashes:
        return np.ones(len(first), dtype=bool)
    return (first <= 12) & (second <= 12) & (first != second)


def _dates(day: Ints, bad: Bools, timezone: str, texts: pa.StringArray | None = None) -> Times:
    """Return times of dates alone. texts: as written, if that is the normal form."""
    us = utc_from_local(np.where(bad, 0, day) * DAY_US + NOON_US, timezone)
    wall = texts if texts is not None else strings(date_digits(day))
    return Times(us, day, np.full(len(us), np.nan, dtype=np.float32), wall, wall, bad)


def _since_1970(digits: Bytes, layout: Layout) -> tuple[Ints, Bools]:
    """Return (N,) microseconds since 1970 from seconds, ms, µs or ns, distinguished by size."""
    number = field_of(digits, layout, "n")
    width = layout.digits("n")
    us = number * 10 ** (16 - width) if width <= 16 else number // 1000
    if layout.has("f") and width == 10:
        us = us + _fraction_us(digits, layout)
    return us, (us < _EARLIEST_EPOCH_US) | (us >= _LATEST_EPOCH_US)


def _instants(us: Ints, bad: Bools, timezone: str) -> Times:
    us = np.where(bad, 0, us)
    text = utc_text(us)
    micros = us % 1_000_000
    if np.any(micros):
        fraction = pc.utf8_lpad(pa.array(micros).cast(pa.string()), 6, "0")
        fraction = pc.binary_join_element_wise(".", pc.utf8_rtrim(fraction, "0"), "")
        fraction = pc.if_else(pa.array(micros == 0), "", fraction)
        seconds = pc.utf8_slice_codeunits(text, 0, 19)
        text = pc.binary_join_element_wise(seconds, fraction, "Z", "")
    hours = _hours(local_from_utc(us, timezone) % DAY_US)
    return Times(us, us // DAY_US, hours, text, text, bad)


def _excel_days(digits: Bytes, layout: Layout, timezone: str, origin: int) -> Times:
    """Return days of Excel with a fraction as wall times, to the second; whole ones as dates."""
    day = field_of(digits, layout, "n") + origin
    none = np.zeros(len(day), dtype=bool)
    if not layout.has("f"):
        return _dates(day, none, timezone)
    start, end = layout.spans["f"]
    share = field_of(digits, layout, "f") / 10.0 ** (end - start)
    local = day * DAY_US + np.rint(share * 86_400).astype(np.int64) * 1_000_000
    us = utc_from_local(local, timezone)
    wall = strings(second_digits(local))
    return Times(us, local // DAY_US, _hours(local % DAY_US), wall, utc_text(us), none)


def _clock(digits: Bytes, layout: Layout) -> tuple[Ints, Bools]:
    """Return (N,) microseconds since midnight, and where a text is not a time of day."""
    hour, minute, second = (field_of(digits, layout, name) for name in ("h", "mi", "s"))
    bad = (hour > 23) | (minute > 59) | (second > 59)
    if layout.half:
        bad |= (hour < 1) | (hour > 12)
        hour = hour % 12 + (12 if layout.half == "pm" else 0)
    seconds = (hour * 60 + minute) * 60 + second
    return seconds * 1_000_000 + _fraction_us(digits, layout), bad


def _fraction_us(digits: Bytes, layout: Layout) -> Ints:
    """Return (N,) microseconds of the field "f", truncated; 0 if there is none."""
    fraction = np.zeros(len(digits), dtype=np.int64)
    if layout.has("f"):
        start, end = layout.spans["f"]
        for place in range(6):
            fraction = fraction * 10 + (digits[:, start + place] - 48 if start + place < end else 0)
    return fraction


def _east_of_utc(
    digits: Bytes, local: Ints, layout: Layout, timezone: str
) -> tuple[Ints | None, Bools]:
    """Return (N,) microseconds east of UTC, None if not stated; and where it is not an offset.

    An offset in digits comes before a zone's name beside it. An abbreviation such as CET stands
    for the offset that it has in `timezone`; there may be other zones that use it.
    """
    none = np.zeros(len(local), dtype=bool)
    if layout.has("zone"):
        return _offset(digits, layout)
    if layout.region:
        return local - utc_from_local(local, layout.region), none
    if layout.abbr:
        east_us = offsets_by_abbreviation(timezone).get(layout.abbr)
        return (None, ~none) if east_us is None else (np.full_like(local, east_us), none)
    return None, none


def _offset(digits: Bytes, layout: Layout) -> tuple[Ints, Bools]:
    """Return (N,) microseconds east of UTC, 0 if the layout has no offset in digits."""
    if not layout.has("sign"):
        zero = np.zeros(len(digits), dtype=np.int64)
        return zero, zero.astype(bool)
    hours, minutes = field_of(digits, layout, "zh"), field_of(digits, layout, "zm")
    west = digits[:, layout.spans["sign"][0]] == ord("-")
    east_us = (hours * 60 + minutes) * 60_000_000
    return np.where(west, -east_us, east_us), (hours > 23) | (minutes > 59)


def _wall(local: Ints, digits: Bytes, layout: Layout, east_us: Ints | None) -> pa.StringArray:
    """Return the time in its normal form: T, seconds, no redundant zeros, Z for offset zero."""
    seconds = second_digits(local)
    if east_us is None:
        return _with_fraction(strings(seconds), digits, layout)
    zone = offset_digits(east_us)
    if not layout.has("f") and np.all(east_us != 0):
        return strings(np.hstack([seconds, zone]))
    written = pc.if_else(pa.array(east_us == 0), "Z", strings(zone))
    wall = _with_fraction(strings(seconds), digits, layout)
    return pc.binary_join_element_wise(wall, written, "")


def _with_fraction(seconds: pa.StringArray, digits: Bytes, layout: Layout) -> pa.StringArray:
    if not layout.has("f"):
        return seconds
    start, end = layout.spans["f"]
    fraction = digits[:, start - 1 : end].copy()
    fraction[:, 0] = ord(".")
    trimmed = pc.utf8_rtrim(pc.utf8_rtrim(strings(fraction), "0"), ".")
    return pc.binary_join_element_wise(seconds, trimmed, "")


def _effective_at(
    us: Ints, local: Ints, wall: pa.StringArray, digits: Bytes, layout: Layout, zoned: bool
) -> pa.StringArray:
    if np.array_equal(us, local):
        return wall if zoned else pc.binary_join_element_wise(wall, "Z", "")
    if not layout.has("f"):
        return utc_text(us)
    seconds = _with_fraction(strings(second_digits(us)), digits, layout)
    return pc.binary_join_element_wise(seconds, "Z", "")


def _reassemble(parts: list[Times], rows: list[Ints]) -> Times:
    if not parts:
        return _all_bad(0)
    back = np.empty(sum(map(len, rows)), dtype=np.int64)
    back[np.concatenate(rows)] = np.arange(len(back))

    def strings(arrays: list[pa.StringArray]) -> pa.StringArray:
        return pa.concat_arrays(arrays).take(pa.array(back))

    return Times(
        us=np.concatenate([part.us for part in parts])[back],
        day=np.concatenate([part.day for part in parts])[back],
        hour=np.concatenate([part.hour for part in parts])[back],
        wall=strings([part.wall for part in parts]),
        effective_at=strings([part.effective_at for part in parts]),
        bad=np.concatenate([part.bad for part in parts])[back],
    )


def _all_bad(count: int) -> Times:
    zero = np.zeros(count, dtype=np.int64)
    null = pa.nulls(count, pa.string())
    return Times(zero, zero, zero.astype(np.float32), null, null, np.ones(count, dtype=bool))
