"""Times: from how they are written to UTC, never to "now".

Texts are grouped by their layout (the text with every digit made 0), each layout is understood
once, and its rows are then computed as columns of digits.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.parsing.zones import DAY_US, local_from_utc, utc_from_local

DateOrder = Literal["dmy", "mdy", "mdy2"]
"""mdy2: month first, with years of two digits, of this century."""
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

NOON_US = DAY_US // 2

_YEAR_FIRST = rb"(?P<y>0000)(?P<sep>[-/.])(?P<m>00?)(?P=sep)(?P<d>00?)"
_DAY_FIRST = rb"(?P<d>00?)\.(?P<m>00?)\.(?P<y>0000)"
_EITHER_FIRST = rb"(?P<a>00?)(?P<sep>[-/])(?P<b>00?)(?P=sep)(?P<y>0000)"
_SHORT_YEAR = rb"(?P<m>00?)/(?P<d>00?)/(?P<y>00)"
_ZONE = rb" ?(?P<zone>[Zz]|UTC|GMT|(?P<sign>[+-])(?P<zh>00):?(?P<zm>00)?)"
_CLOCK = (
    rb"(?:[Tt]|,? +)(?P<h>00?):(?P<mi>00)(?::(?P<s>00)(?:[.,](?P<f>0{1,9}))?)?"
    rb"(?: ?(?P<half>[AaPp])\.?[Mm]\.?| Uhr)?(?:" + _ZONE + rb")?"
)
_LAYOUTS = tuple(
    re.compile(rb"\s*" + date + rb"(?:" + _CLOCK + rb")?\s*")
    for date in (_YEAR_FIRST, _DAY_FIRST, _EITHER_FIRST, _SHORT_YEAR)
)
_NO_BREAK = "[\u00a0\u2009\u202f]"
_CANONICAL = re.compile(rb"0000-00-00(T00:00:00Z?)?")


@dataclass(frozen=True)
class Times:
    """What N texts say; of bad ones the other fields are null or meaningless.

    us: (N,) int64, microseconds since 1970 UTC; a date alone stands at 12:00 local.
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


@dataclass(frozen=True)
class Layout:
    """Where a layout keeps its fields, as (start, end) in bytes; absent ones are (-1, -1)."""

    spans: dict[str, tuple[int, int]]
    shape: bytes

    def has(self, field: str) -> bool:
        return self.spans.get(field, (-1, -1))[0] >= 0


@lru_cache(maxsize=4096)
def layout_of(shape: bytes, date_order: DateOrder | None) -> Layout | None:
    """Understand a text whose digits are all 0; None if it is no known layout.

    A date such as 00/00/0000 is understood only when its order is given.
    """
    for pattern in _LAYOUTS if date_order == "mdy2" else _LAYOUTS[:-1]:
        match = pattern.fullmatch(shape)
        if match is None:
            continue
        spans = {name: match.span(name) for name in pattern.groupindex}
        if "a" in spans:
            if date_order is None:
                return None
            first, second = ("d", "m") if date_order == "dmy" else ("m", "d")
            spans |= {first: spans["a"], second: spans["b"]}
        return Layout(spans, shape)
    return None


def parse_times(texts: pa.StringArray, timezone: str, date_order: DateOrder | None) -> Times:
    """Parse N texts; times without an offset are wall times of the IANA zone `timezone`.

    A wall time that a clock change repeats is taken the first time; one that it skips is moved
    on by what was skipped.
    """
    texts = _with_plain_spaces(texts)
    parts: list[Times] = []
    rows: list[Ints] = []
    for shape, members in _by_shape(texts):
        # Most blocks have one layout; then nothing is copied.
        group = texts if len(members) == len(texts) else texts.take(pa.array(members))
        layout = layout_of(shape, date_order)
        parts.append(_parse_group(group, layout, timezone) if layout else _all_bad(len(members)))
        rows.append(members)
    if len(parts) == 1:
        return parts[0]
    return _reassemble(parts, rows)


def order_evidence(texts: pa.StringArray) -> set[str]:
    """What the texts tell about dates like 03/04/2024.

    "either": there are some; "dmy", "mdy": one can only be read so; "other": there are times
    of a layout that leaves no doubt.
    """
    evidence: set[str] = set()
    texts = _with_plain_spaces(texts)
    for shape, members in _by_shape(texts):
        layout = layout_of(shape, "dmy")
        if layout is None:
            continue
        if not layout.has("a"):
            evidence.add("other")
            continue
        digits = _matrix(texts.take(pa.array(members)), len(shape))
        first, second = _field(digits, layout, "a"), _field(digits, layout, "b")
        evidence.add("either")
        if np.any((first > 12) & (first <= 31) & (second <= 12)):
            evidence.add("dmy")
        if np.any((second > 12) & (second <= 31) & (first <= 12)):
            evidence.add("mdy")
    return evidence


def may_need_order(texts: pa.StringArray) -> bool:
    """Whether some text could be a date like 03/04/2024: cheap, and sometimes wrongly yes."""
    offsets, data = _buffers(texts)
    if len(data) == 0:
        return False
    if np.any(data == ord("/")):
        return True
    start, length = offsets[:-1], np.diff(offsets)
    near = np.minimum(start[length > 2], len(data) - 3)
    return bool(np.any(data[near + 1] == ord("-")) or np.any(data[near + 2] == ord("-")))


def utc_text(us: Ints) -> pa.StringArray:
    """(N,) microseconds since 1970 UTC to 2024-01-31T07:12:33Z, years 1-9999."""
    zed = np.full((len(us), 1), ord("Z"), dtype=np.uint8)
    return _strings(np.hstack([_second_digits(us), zed]))


def _with_plain_spaces(texts: pa.StringArray) -> pa.StringArray:
    """Programs that follow Unicode's locales part 7:12 and PM by a narrow no-break space."""
    _, data = _buffers(texts)
    if not np.any(data >= 0x80):
        return texts
    return pc.replace_substring_regex(texts, _NO_BREAK, " ")


def _by_shape(texts: pa.StringArray) -> list[tuple[bytes, Ints]]:
    """Group rows by layout text; a null counts as an empty text."""
    offsets, data = _buffers(texts)
    shapes = np.where((data >= ord("0")) & (data <= ord("9")), np.uint8(ord("0")), data)
    coded = pa.Array.from_buffers(
        pa.binary(), len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(shapes)]
    ).dictionary_encode()
    codes = coded.indices.to_numpy()
    names = coded.dictionary.to_pylist()
    if len(names) == 1:
        return [(names[0], np.arange(len(texts)))]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))
    return list(zip(names, np.split(order, ends[:-1]), strict=True)) if names else []


def _parse_group(texts: pa.StringArray, layout: Layout, timezone: str) -> Times:
    digits = _matrix(texts, len(layout.shape))
    year, month, date = (_field(digits, layout, name) for name in ("y", "m", "d"))
    year += 2000 if layout.spans["y"][1] - layout.spans["y"][0] == 2 else 0
    month_index = year * 12 + np.clip(month, 1, 12) - 1
    day = _month_starts()[month_index] + date - 1
    bad = (month < 1) | (month > 12) | (date < 1) | (date > _month_lengths()[month_index])
    canonical = _CANONICAL.fullmatch(layout.shape) is not None
    if not layout.has("h"):
        us = utc_from_local(day * DAY_US + NOON_US, timezone)
        hour = np.full(len(us), np.nan, dtype=np.float32)
        wall = texts if canonical else _strings(_date_digits(day))
        return Times(us, day, hour, wall, wall, bad)
    clock_us, bad_clock = _clock(digits, layout)
    east_us, bad_zone = _offset(digits, layout)
    bad = bad | bad_clock | bad_zone
    local = np.where(bad, 0, day * DAY_US + clock_us)
    wall = texts if canonical else _wall(local, digits, layout, east_us)
    zoned = layout.has("zone")
    us = local - east_us if zoned else utc_from_local(local, timezone)
    clock_us = local % DAY_US
    if zoned and np.any(east_us == 0):  # zero tells the instant, not where the person was
        at_home = local_from_utc(us, timezone) % DAY_US
        clock_us = np.where(east_us == 0, at_home, clock_us)
    # The last milliseconds of a day would round to 24.
    hour = np.minimum((clock_us / 3.6e9).astype(np.float32), np.nextafter(np.float32(24), 0))
    return Times(us, day, hour, wall, _effective_at(us, local, wall, digits, layout), bad)


def _clock(digits: Bytes, layout: Layout) -> tuple[Ints, Bools]:
    """(N,) microseconds since midnight, and where they are no time of day."""
    hour, minute, second = (_field(digits, layout, name) for name in ("h", "mi", "s"))
    bad = (hour > 23) | (minute > 59) | (second > 59)
    if layout.has("half"):
        start, _ = layout.spans["half"]
        bad |= (hour < 1) | (hour > 12)
        hour = hour % 12 + 12 * (digits[:, start] | 0x20 == ord("p"))
    fraction = np.zeros_like(hour)
    if layout.has("f"):
        start, end = layout.spans["f"]
        for place in range(6):
            fraction = fraction * 10 + (digits[:, start + place] - 48 if start + place < end else 0)
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction, bad


def _offset(digits: Bytes, layout: Layout) -> tuple[Ints, Bools]:
    """(N,) microseconds east of UTC, 0 where the layout has no offset in digits."""
    if not layout.has("sign"):
        zero = np.zeros(len(digits), dtype=np.int64)
        return zero, zero.astype(bool)
    hours, minutes = _field(digits, layout, "zh"), _field(digits, layout, "zm")
    west = digits[:, layout.spans["sign"][0]] == ord("-")
    east_us = (hours * 60 + minutes) * 60_000_000
    return np.where(west, -east_us, east_us), (hours > 23) | (minutes > 59)


def _wall(local: Ints, digits: Bytes, layout: Layout, east_us: Ints) -> pa.StringArray:
    """The time as written in the one normal form: T, seconds, no idle zeros, Z for no offset."""
    seconds = _second_digits(local)
    if not layout.has("zone"):
        return _with_fraction(_strings(seconds), digits, layout)
    zone = _offset_digits(east_us)
    if not layout.has("f") and np.all(east_us != 0):
        return _strings(np.hstack([seconds, zone]))
    written = pc.if_else(pa.array(east_us == 0), "Z", _strings(zone))
    wall = _with_fraction(_strings(seconds), digits, layout)
    return pc.binary_join_element_wise(wall, written, "")


def _with_fraction(seconds: pa.StringArray, digits: Bytes, layout: Layout) -> pa.StringArray:
    if not layout.has("f"):
        return seconds
    start, end = layout.spans["f"]
    fraction = digits[:, start - 1 : end].copy()
    fraction[:, 0] = ord(".")
    trimmed = pc.utf8_rtrim(pc.utf8_rtrim(_strings(fraction), "0"), ".")
    return pc.binary_join_element_wise(seconds, trimmed, "")


def _effective_at(
    us: Ints, local: Ints, wall: pa.StringArray, digits: Bytes, layout: Layout
) -> pa.StringArray:
    if np.array_equal(us, local):
        return wall if layout.has("zone") else pc.binary_join_element_wise(wall, "Z", "")
    if not layout.has("f"):
        return utc_text(us)
    seconds = _with_fraction(_strings(_second_digits(us)), digits, layout)
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


def _buffers(texts: pa.StringArray) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Offsets (N+1,) from 0, and the bytes; nulls have no bytes."""
    texts = texts.fill_null("") if texts.null_count else texts
    _, offset_buffer, data_buffer = texts.buffers()
    if len(texts) == 0 or data_buffer is None:
        return np.zeros(len(texts) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[texts.offset :][: len(texts) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def _matrix(texts: pa.StringArray, width: int) -> Bytes:
    """(N, width) bytes of N texts that are all equally long."""
    return _buffers(texts)[1].reshape(len(texts), width)


def _field(digits: Bytes, layout: Layout, name: str) -> Ints:
    """(N,) the number in a field of digits; 0 where the layout does not have it."""
    number = np.zeros(len(digits), dtype=np.int64)
    start, end = layout.spans.get(name, (-1, -1))
    for column in range(max(start, 0), end):
        number = number * 10 + (digits[:, column] - 48)
    return number


def _strings(matrix: Bytes) -> pa.StringArray:
    """(N, width) ASCII bytes to N texts."""
    count, width = matrix.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    data = np.ascontiguousarray(matrix)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))


def _digits(number: Ints, width: int) -> Bytes:
    """(N, width) ASCII digits, width 2 or 4."""
    return np.take(_number_texts(width), number).view(np.uint8).reshape(-1, width)


def _second_digits(us: Ints) -> Bytes:
    """(N,) microseconds since 1970 to (N, 19) bytes of 2024-01-31T07:12:33, years 0-9999."""
    clock = us % DAY_US // 1_000_000
    out = np.empty((len(us), 19), dtype=np.uint8)
    out[:, :10] = _date_digits(us // DAY_US)
    for column, number in ((11, clock // 3600), (14, clock // 60 % 60), (17, clock % 60)):
        out[:, column : column + 2] = _digits(number, 2)
    out[:, [10, 13, 16]] = np.frombuffer(b"T::", dtype=np.uint8)
    return out


def _offset_digits(east_us: Ints) -> Bytes:
    """(N,) microseconds east of UTC to (N, 6) bytes of +01:00."""
    minutes = np.abs(east_us) // 60_000_000
    out = np.empty((len(east_us), 6), dtype=np.uint8)
    out[:, 0] = np.where(east_us < 0, ord("-"), ord("+"))
    out[:, 1:3], out[:, 4:6] = _digits(minutes // 60 % 100, 2), _digits(minutes % 60, 2)
    out[:, 3] = ord(":")
    return out


def _date_digits(day: Ints) -> Bytes:
    """(N,) days since 1970-01-01 to (N, 10) bytes of 2024-01-31, years 0-9999."""
    date = np.clip(day, _month_starts()[0], _month_starts()[-1] + 30).astype("M8[D]")
    month = date.astype("M8[M]")
    index = month.astype(np.int64) + 1970 * 12
    out = np.empty((len(day), 10), dtype=np.uint8)
    out[:, 0:4] = _digits(index // 12, 4)
    out[:, 5:7] = _digits(index % 12 + 1, 2)
    out[:, 8:10] = _digits((date - month).astype(np.int64) + 1, 2)
    out[:, [4, 7]] = ord("-")
    return out


@lru_cache
def _number_texts(width: int) -> npt.NDArray[Any]:
    """All numbers of so many digits, each text as one element: faster to look up than rows."""
    texts = np.array([f"{number:0{width}}" for number in range(10**width)], dtype=f"S{width}")
    return texts.view(f"u{width}")


@lru_cache
def _month_starts() -> Ints:
    """(120000,) days since 1970-01-01 of the first of each month of the years 0-9999."""
    months = np.arange(120_000) - 1970 * 12
    return months.astype("M8[M]").astype("M8[D]").astype(np.int64)


@lru_cache
def _month_lengths() -> Ints:
    return np.append(np.diff(_month_starts()), 31)
