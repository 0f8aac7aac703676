"""The column that tells the timezone or the offset of the times beside it."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.parsing.layouts import is_timezone_name
from weightstream.parsing.times import parse_times, utc_text

_OFFSET = re.compile(
    r"(?:(?:UTC|GMT) ?([+-])(\d{1,2})|([+-])(\d{2}))(?::?(\d{2}))?", re.IGNORECASE | re.ASCII
)
_IN_UTC = ("z", "utc", "gmt", "etc/utc", "etc/gmt")
_EPOCH = r"^(?:[0-9]{10}|[0-9]{13}|[0-9]{16}|[0-9]{19})$"
_CLOCK = r"[0-9]:[0-9]{2}|[ T][0-9]{1,2}\.[0-9]{2}|T[0-9]{4}|^[0-9]{8} ?[0-9]{4}"
_ENDS_IN_UTC = r"(?i)(?:Z|UTC|GMT|[+-]00:?00)$"
_ENDS_IN_ZONE = (
    r"(?i)(?:Z|UTC|GMT|\]|[a-z]/[a-z_]+"
    r"|(?::|T[0-9]{2,4}|[0-9]{10})[0-9]{2}(?:[.,][0-9]+)? ?(?:[ap]m)?"
    r" ?[+-][0-9]{2}(?::?[0-9]{2})?)$"
)


def is_zone(cell: str) -> bool:
    """Whether a cell is an IANA name, or an offset such as +01:00 or UTC-0500.

    A bare number is not: it could be minutes, seconds or hours, in either direction.
    """
    return _suffix(cell) is not None


def _suffix(cell: str) -> str | None:
    """What a time is written with: Z, an offset, or a name in brackets; None if it is no zone."""
    text = cell.strip()
    if text.casefold() in _IN_UTC:
        return "Z"
    if match := _OFFSET.fullmatch(text):
        sign, hours = match[1] or match[3], int(match[2] or match[4])
        return f"{sign}{hours:02}:{match[5] or '00'}"
    return f"[{text}]" if is_timezone_name(text) else None


def with_zones(times: pa.StringArray, zones: pa.StringArray) -> pa.StringArray:
    """(N,) times with the zone beside them; those that have an offset of their own keep it.

    A time in UTC gets the offset of where it was measured. A zone that is not known stays, so that
    its row says so.
    """
    coded = zones.dictionary_encode()
    result = times
    for number, zone in enumerate(coded.dictionary.to_pylist()):
        rows = pc.equal(coded.indices, number).fill_null(False)
        some = _with_zone(times.filter(rows), _suffix(zone), zone)
        result = pc.replace_with_mask(result, rows, some)
    return result


def _with_zone(times: pa.StringArray, suffix: str | None, zone: str) -> pa.StringArray:
    epoch = pc.match_substring_regex(times, _EPOCH).fill_null(False)
    if pc.any(epoch).as_py():
        as_text = parse_times(times.filter(epoch), "UTC", None).effective_at
        times = pc.replace_with_mask(times, epoch, as_text)
    instants = pc.and_(_has_clock(times), pc.match_substring_regex(times, _ENDS_IN_UTC))
    if suffix is None:
        return pc.if_else(is_naive(times), _joined(times, f" {zone}"), times)
    shown = _joined(times, suffix) if suffix.startswith("[") else _shifted(times, suffix)
    times = pc.if_else(instants.fill_null(False), shown, times)
    beside = f" {suffix[1:-1]}" if suffix.startswith("[") else suffix
    return pc.if_else(is_naive(times), _joined(times, beside), times)


def is_naive(times: pa.StringArray) -> pa.BooleanArray:
    """(N,) whether a text has a time of day, and nothing that tells its zone."""
    told = pc.or_(
        pc.match_substring_regex(times, _ENDS_IN_ZONE), pc.match_substring_regex(times, _EPOCH)
    )
    return pc.and_(_has_clock(times), pc.invert(told)).fill_null(False)


def _has_clock(times: pa.StringArray) -> pa.BooleanArray:
    return pc.match_substring_regex(times, _CLOCK)


def _joined(times: pa.StringArray, suffix: str) -> pa.StringArray:
    return pc.binary_join_element_wise(pc.utf8_rtrim_whitespace(times), suffix, "")


def _shifted(times: pa.StringArray, offset: str) -> pa.StringArray:
    """Times in UTC as they were where the offset is; texts that are no times stay."""
    parsed = parse_times(times, "UTC", None)
    sign = -1 if offset[0] == "-" else 1
    east_us = 0 if offset == "Z" else sign * (int(offset[1:3]) * 60 + int(offset[4:6])) * 60_000_000
    seconds = pc.utf8_slice_codeunits(utc_text(parsed.us + east_us), 0, 19)
    fraction = pc.replace_substring_regex(
        pc.utf8_slice_codeunits(parsed.effective_at, 19), "Z$", ""
    )
    zone = "Z" if offset == "Z" else offset
    shifted = pc.binary_join_element_wise(seconds, fraction, zone, "")
    return pc.if_else(pa.array(parsed.bad), times, shifted)
