"""Details of quarantined rows: one sentence on what is wrong and how to decide."""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from weightstream.parsing.decimals import may_be_either
from weightstream.parsing.layouts import DAY_ORIGINS, DateOrder, layout_of
from weightstream.parsing.quantities import quantity_of
from weightstream.parsing.units import canonical_unit, measures_something_else

ORDERS = {
    "dmy": "the day before the month",
    "mdy": "the month before the day",
    "ymd": "the year first",
}

_DATE = re.compile(r"\s*(\d{1,2})[-/](\d{1,2})[-/](\d{2}(?:\d{2})?)\b.*", re.DOTALL)
_TIME_OF_DAY = re.compile(r"\s*\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?( ?[ap]\.?m\.?)?\s*", re.IGNORECASE)
_REGION = re.compile(r"\d[ \[]+([A-Za-z]+/[A-Za-z_/+-]+)\]?\s*$")
_SERIAL = re.compile(r"\s*(\d{5})(?:[.,]\d+| \d{1,2}:.*)?\s*")
_SHORTENED = re.compile(r"\s*\d([.,]\d+)?[eE]\+?\d+\s*")
_EPOCH = date(1970, 1, 1).toordinal()
_DIGITS = re.compile(r"\s*-?\d+([.,]\d+)?\s*")


def detail_of(
    reason: str,
    lacking: Sequence[str],
    cells: Mapping[str, str | None],
    order: DateOrder | None,
    min_date: date,
) -> str:
    """Return a sentence on a row, which depends on the row, its file's notation, and options."""
    unit, weight, time = cells["unit"], cells["weight"], cells["time"]
    match reason:
        case "missing_field":
            return _of_missing(lacking, weight)
        case "not_body_weight" if unit and measures_something_else(unit):
            return f"{quoted(unit)} is the unit of a body mass index or a body surface"
        case "unknown_unit":
            return _of_unit(unit, weight)
        case "bad_number":
            return _of_number(weight)
        case "bad_timestamp":
            return _of_time(time, order)
        case "too_old":
            return f"{quoted(time)} is before {min_date}"
        case "future_timestamp":
            return f"{quoted(time)} is more than 24 hours after the start of the run"
    return "the record is not a weighing"


def _of_missing(lacking: Sequence[str], weight: str | None) -> str:
    told = f"the row has no {' and no '.join(lacking)}"
    # A cell with words may have stated the unit, had it been understood.
    worded = weight is not None and any(map(str.isalpha, weight))
    if "unit" in lacking and worded and quantity_of(weight or "") is None:
        return f"{quoted(weight)} cannot be read as a weight, and {told}"
    return told


def quoted(cell: str | None) -> str:
    return repr(cell if cell is None or len(cell) <= 60 else cell[:60] + "…")


def _of_unit(unit: str | None, weight: str | None) -> str:
    own = quantity_of(weight) if weight else None
    stated = canonical_unit(unit or "")
    if own and own.unit and stated:
        return f"{quoted(weight)} says {own.unit} and its unit is {stated}; correct one of them"
    return f"{quoted(unit)} is not a known unit of weight"


def _of_number(weight: str | None) -> str:
    if weight and may_be_either(weight):
        point, none = (weight.strip().replace(",", mark) for mark in (".", ""))
        return f"{quoted(weight)} may be {point} or {none}; give --decimal comma or --decimal point"
    return f"{quoted(weight)} is not a positive number"


def _of_time(time: str | None, order: DateOrder | None) -> str:
    text = time or ""
    looks = _like_a_date(text, order) or _like_a_number(text) or _like_a_part(text)
    return f"{quoted(time)} {looks or 'cannot be read as a time'}"


def _like_a_date(text: str, order: DateOrder | None) -> str | None:
    match = _DATE.fullmatch(text)
    if not match:
        return None
    first, second = int(match[1]), int(match[2])
    if order in ORDERS and (1 <= first <= 31 and 1 <= second <= 31 and min(first, second) <= 12):
        return f"is not a date with {ORDERS[order]}, as the file's dates or --dates say"
    if len(match[3]) == 2 and (first > 31 or "-" in match[0]):
        return "may have the day, the month or the year first; give --dates dmy, mdy or ymd"
    if first <= 12 and second <= 12:
        return "may have the day or the month first; give --dates dmy or --dates mdy"
    return None


def _like_a_number(text: str) -> str | None:
    if match := _SERIAL.fullmatch(text):
        excel, mac, sas = (
            date.fromordinal(_EPOCH + DAY_ORIGINS[system] + int(match[1]))
            for system in ("excel1900", "excel1904", "sas1960")
        )
        return (
            f"looks like a day number of Excel; give --dates excel1900 ({excel}), --dates excel1904"
            f" for files of old Macs ({mac}), or --dates sas1960 for those of SAS or Stata ({sas})"
        )
    if _SHORTENED.fullmatch(text):
        return "is a number that a spreadsheet has shortened; export the file as text again"
    if _DIGITS.fullmatch(text):
        return (
            "is a number; seconds since 1970 have 10 digits (milliseconds 13, microseconds 16,"
            " nanoseconds 19), dates 8"
        )
    return None


def _like_a_part(text: str) -> str | None:
    if _TIME_OF_DAY.fullmatch(text):
        return "is a time of day without a date; name the date's column with --column date=NAME"
    if text.strip("# ") == "":
        return "is what a spreadsheet shows of a column that is too narrow; export the file again"
    if re.search(r"\b24:00", text):
        return "may be the start or the end of the day; write 00:00 of the day that is meant"
    if match := _REGION.search(text):
        return f"names an unknown timezone, {match[1]!r}"
    layout = layout_of(re.sub(rb"\d", b"0", text.encode(errors="replace")))
    if layout and layout.abbr:
        return (
            f"names its timezone {layout.abbr!r}, which has several meanings; give --timezone,"
            " such as Europe/Oslo or America/New_York"
        )
    return None
