"""Layouts of times: patterns over texts with every digit replaced by 0.

Each layout is parsed once, however many texts have it. Names of months, AM and PM, and zones are
letters, so a layout contains them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zoneinfo import available_timezones

DateOrder = Literal["dmy", "mdy", "ymd", "excel1900", "excel1904", "sas1960"]
"""How to read ambiguous dates: the order of day, month and year in dates such as 03/04/2024, or the
date system of Excel, or of SAS and Stata, in which plain numbers are days."""

DAY_ORIGINS = {"excel1900": -25_569, "excel1904": -24_107, "sas1960": -3_653}
"""Day 0 of date systems, in days since 1970-01-01."""

MAX_LAYOUT = 100
"""The longest time, in bytes."""

_MONTHS = (
    "jan ene gen sty ian янв oca", "feb fév fev lut фев şub", "mar mär mrt mrz már мар maa",
    "apr abr avr kwi ápr апр nis", "may mai mei maj mag máj май мая",
    "jun juin giu cze jún июн haz iun lipanj lipnj",
    "jul juil lug lip júl июл tem iul",
    "aug ago aoû aou sie авг ağu", "sep set wrz sze сен eyl",
    "oct okt out ott paź окт eki", "nov lis noi ноя kas marras",
    "dec dez déc dic des gru дек ara",
)  # fmt: skip
"""Beginnings of the months' names in English, German, French, Spanish, Italian, Dutch, Portuguese,
Scandinavian languages, Polish, Hungarian, Romanian, Russian and Turkish: no two months share one.
The longest counts, since Finnish marraskuu is no March, and Croatian lipanj no July."""

_WEEKDAYS = (
    "mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|mie|mié|jeu|jue|gio|ven|vie|sam|"
    "sáb|sab|dim|dom"
)
_WEEKDAY = rb"(?:(?:" + _WEEKDAYS.encode() + rb")[a-z\x80-\xff]{0,8}\.?,? +)?"
_NAME = rb"(?P<month>[a-z\x80-\xff]{3,20})"
_SHORT_OR_LONG = rb"(?P<y>0000|00)"
_DATES = (
    rb"(?P<y>0000)(?P<sep>[-/.])(?P<m>00?)(?P=sep)(?P<d>00?)\.?",
    rb"(?P<d>00?)\. ?(?P<m>00?)\. ?" + _SHORT_OR_LONG,
    rb"(?P<a>00?)(?P<sep>[-/])(?P<b>00?)(?P=sep)" + _SHORT_OR_LONG,
    _WEEKDAY + rb"(?P<d>00?)(?:st|nd|rd|th|er|\.)?[ /-]*(?:of |de )?" + _NAME
    + rb"(?:\.?,?[ /-]*|\.? de )" + _SHORT_OR_LONG,
    _WEEKDAY + _NAME + rb"\.?[ -]*(?P<d>00?)(?:st|nd|rd|th)?[, -]+(?P<y>0000)",
    rb"(?P<y>0000)[ -]" + _NAME + rb"\.?[ -](?P<d>00?)",
    "(?P<y>0000) ?(?:年|년) ?(?P<m>00?) ?(?:月|월) ?(?P<d>00?) ?(?:日|일)".encode(),
)  # fmt: skip
_HALF = r" ?(?:(?P<am>a\. ?m\.|am|π\.? ?μ\.?)|(?P<pm>p\. ?m\.|pm|μ\.? ?μ\.?))".encode()
# Chinese, Japanese and Korean write it before the hour.
_AM_BEFORE = "(?P<am_before>上午|午前|오전)".encode()
_PM_BEFORE = "(?P<pm_before>下午|午後|오후)".encode()
_HALF_BEFORE = rb"(?:" + _AM_BEFORE + rb"|" + _PM_BEFORE + rb")? ?"
_TIME = (
    _HALF_BEFORE + rb"(?P<h>00?)(?P<dot>[:.h])(?P<mi>00|(?<=:)0)"
    rb"(?:(?P=dot)(?P<s>00)(?:[.,](?P<f>0{1,9}))?)?(?:" + _HALF + rb"| uhr| uur| h)?"
)
_DASHED_TIME = rb"(?P<h>00)-(?P<mi>00)-(?P<s>00)"
_ZONE = (
    rb"(?: ?(?P<zone>z|(?:utc|gmt)?(?P<sign>[+-])(?P<zh>00):?(?P<zm>00)?|utc|gmt))?"
    rb"(?: ?\[(?P<region>[a-z_/+-]+)\]| (?P<place>[a-z]+/[a-z_/+-]+)| ?\([a-z +-]{2,60}\)"
    rb"| (?P<abbr>[a-z]{2,5}))?"
)
_AFTER_DATE = (
    r"(?:t|\.?[,_]? +(?:(?:at|um|kl\.?|klo|om|à|às|a las?|alle|o godz\.|o|в) )?|[,_:])".encode()
)
_LAYOUTS = (
    *(date + rb"(?:" + _AFTER_DATE + _TIME + _ZONE + rb")?" for date in _DATES),
    _DATES[0] + _AFTER_DATE + _DASHED_TIME,
    rb"(?P<h>00?):(?P<mi>00)(?::(?P<s>00))?(?:" + _HALF + rb")?,? +(?:on )?" + _DATES[0],
    rb"(?P<h>00?):(?P<mi>00)(?::(?P<s>00))?(?:" + _HALF + rb")?,? +(?:on )?" + _DATES[1],
    _WEEKDAY + _NAME + rb" +(?P<d>00?) (?P<h>00):(?P<mi>00):(?P<s>00) (?P<y>0000)",
    # Compact: 20240131, 202401310712, 20240131T071233Z, 20150617071820-0700.
    rb"(?P<y>0000)(?P<m>00)(?P<d>00)(?:[t _]?(?P<h>00)(?P<mi>00)(?P<s>00)?(?:[.,](?P<f>0{1,9}))?"
    + _ZONE + rb")?",
)  # fmt: skip
_PATTERNS = tuple(re.compile(rb"\s*'?" + layout + rb"\s*", re.IGNORECASE) for layout in _LAYOUTS)
_YEAR_FIRST_SHORT = re.compile(
    rb"\s*(?P<y>00)(?P<sep>[-/])(?P<m>00?)(?P=sep)(?P<d>00?)(?:"
    + _AFTER_DATE + _TIME + _ZONE + rb")?\s*", re.IGNORECASE,
)  # fmt: skip
# Most texts that are not times begin unlike any time, so they need no comparison with all layouts.
_BEGINNING = re.compile(
    rb"\s*'?(?:0|"
    + _WEEKDAYS.encode()
    + rb"|"
    + "|".join(start for starts in _MONTHS for start in starts.split()).encode()
    + rb")",
    re.IGNORECASE,
)
_EPOCH = re.compile(rb"\s*(?P<n>0{10}|0{13}|0{16}|0{19})(?:\.(?P<f>0{1,9}))?\s*")
_SERIAL = re.compile(rb"\s*(?P<n>0{5})(?:[.,](?P<f>0{1,12}))?\s*")


@dataclass(frozen=True)
class Layout:
    """What a layout says.

    spans: where its fields of digits stand, as (start, end) in bytes. month: 1-12 where it is
    named. half: "am" or "pm". region, abbr: of a zone that is named, with an offset beside it or
    without. number: the text is one number, seconds or the like since 1970 or a day of Excel.
    """

    spans: dict[str, tuple[int, int]]
    shape: bytes
    month: int | None = None
    half: Literal["am", "pm"] | None = None
    region: str | None = None
    abbr: str | None = None
    number: Literal["epoch", "serial"] | None = None

    def has(self, field: str) -> bool:
        return field in self.spans

    @property
    def has_dashes(self) -> bool:
        """Return whether the date is written with dashes."""
        start, end = self.spans["sep"]
        return self.shape[start:end] == b"-"

    def digits(self, field: str) -> int:
        start, end = self.spans[field]
        return end - start


@lru_cache(maxsize=4096)
def layout_of(shape: bytes, order: DateOrder | None = None) -> Layout | None:
    """Parse a text whose digits are all 0; None if its layout is not known.

    order: with "ymd" dates such as 00-00-00 begin with the year; with a date system, numbers of
    five digits are days.
    """
    if len(shape) > MAX_LAYOUT or shape.count(b"0") < 3 or not _BEGINNING.match(shape):
        return None
    if order in DAY_ORIGINS and (match := _SERIAL.fullmatch(shape)):
        return Layout(_spans(match), shape, number="serial")
    if order == "ymd" and (match := _YEAR_FIRST_SHORT.fullmatch(shape)):
        return _understood(match, shape)
    if match := _EPOCH.fullmatch(shape):
        return Layout(_spans(match), shape, number="epoch")
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(shape):
            return _understood(match, shape)
    return None


def layout_of_text(text: str) -> Layout | None:
    """Return the layout of a text as written."""
    return layout_of(re.sub(rb"[0-9]", b"0", text.encode(errors="replace")))


def _understood(match: re.Match[bytes], shape: bytes) -> Layout | None:
    words = {name: text for name, text in match.groupdict().items() if text is not None}
    month = None
    if "month" in words:
        month = month_of(words["month"].decode(errors="replace"))
        if month is None:
            return None
    halves = {name[:2] for name in words if name in ("am", "pm", "am_before", "pm_before")}
    if len(halves) > 1:
        return None
    region = words.get("region") or words.get("place")
    if region and "zone" not in words and region.decode() not in _zones():
        return None
    abbr = words.get("abbr")
    return Layout(
        _spans(match),
        shape,
        month,
        "am" if "am" in halves else "pm" if halves else None,
        region.decode() if region else None,
        abbr.decode().upper() if abbr else None,
    )


@lru_cache(maxsize=1)
def _zones() -> set[str]:
    return available_timezones()


def is_timezone_name(text: str) -> bool:
    """Return whether a text is an IANA name with a place, such as Europe/Oslo."""
    return "/" in text and text in _zones()


def _spans(match: re.Match[bytes]) -> dict[str, tuple[int, int]]:
    """Where the fields that are there stand."""
    return {name: match.span(name) for name in match.re.groupindex if match.start(name) >= 0}


def month_of(name: str) -> int | None:
    """1-12 by the beginning of the month's name; None if it is no month."""
    name = name.casefold()
    found = (
        (len(start), number)
        for number, starts in enumerate(_MONTHS, 1)
        for start in starts.split()
        if name.startswith(start)
    )
    return max(found, default=(0, None))[1]
