"""Exact decimals: from the text of a number to its normal form and the nearest float.

80, 80.0, 080, +80 and 8e1 are all "80". Only ASCII digits count, and only positive numbers. 80,5
and 1,234.5 and 1.234,5 have one meaning each; 80,123 has two, and the file's other numbers show
which is meant.
"""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MAX_CHARACTERS = 100
"""Longer texts are not read as numbers."""

_PLAIN = r"^[0-9]{1,40}(\.[0-9]{1,40})?$"
_NUMBER = re.compile(r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
# Three digits after a comma may as well be thousands, unless a 0 stands alone before it.
_DECIMAL_COMMA = re.compile(r"\+?(0,[0-9]+|[0-9]+,([0-9]{1,2}|[0-9]{4,}))")
_EITHER = re.compile(r"\+?[1-9][0-9]*,[0-9]{3}")
_COMMA_GROUPS = re.compile(r"\+?[0-9]{1,3}((,[0-9]{3})+\.[0-9]+|(,[0-9]{3}){2,})")
_POINT_GROUPS = re.compile(r"\+?[0-9]{1,3}((\.[0-9]{3})+,[0-9]+|(\.[0-9]{3}){2,})")
_SPACED = re.compile(r"(?<=[0-9])[\u00a0\u202f\u2009'’](?=[0-9]{3}(?![0-9]))")
"""Spaces that do not break, and Swiss apostrophes, stand between thousands only."""
_LEADING_NUMBER = re.compile(r"\+?[0-9][0-9.,]*(?<![.,])")
_HANDFUL = 0.1


@dataclass(frozen=True)
class CommaEvidence:
    """The number of texts whose comma can only be decimal, only one of thousands, or either."""

    decimal: int = 0
    thousands: int = 0
    either: int = 0

    def __add__(self, more: "CommaEvidence") -> "CommaEvidence":
        return CommaEvidence(
            self.decimal + more.decimal, self.thousands + more.thousands, self.either + more.either
        )

    @property
    def decimal_comma(self) -> bool | None:
        """Return the meaning of all but a few of the unambiguous commas; None if it is open."""
        least, most = sorted((self.decimal, self.thousands))
        if most == 0 or least > _HANDFUL * most:
            return None
        return self.decimal == most


@dataclass(frozen=True)
class Amounts:
    """The parsed numbers of V texts.

    amount: (V,) string, the normal form; null if the text is not a positive number.
    value: (V,) float64, the float nearest to it; nan where there is none.
    """

    amount: pa.StringArray
    value: npt.NDArray[np.float64]


def normal_form(text: str, decimal_comma: bool | None = None) -> str | None:
    """Return the exact positive decimal of a text, without exponent and redundant zeros; else None.

    decimal_comma: whether the comma of "80,500" is a decimal one or one of thousands; if None, such
    a text gives None.
    """
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        return None
    if not text.isascii() or "'" in text:
        text = _SPACED.sub("", text)
    if "," in text or text.count(".") > 1:
        text = _without_commas(text, decimal_comma)
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    if not 0 < float(number) < float("inf"):
        return None
    exact = format(number, "f")
    if "." in exact:
        exact = exact.rstrip("0").rstrip(".")
    exact = exact.lstrip("0")
    return "0" + exact if exact.startswith(".") else exact


def _without_commas(text: str, decimal_comma: bool | None) -> str:
    """Return a text with at most a decimal point, if its meaning is clear; else unchanged."""
    if _DECIMAL_COMMA.fullmatch(text) or (decimal_comma and _EITHER.fullmatch(text)):
        return text.replace(",", ".")
    if _COMMA_GROUPS.fullmatch(text) or (decimal_comma is False and _EITHER.fullmatch(text)):
        return text.replace(",", "")
    if _POINT_GROUPS.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    return text


def comma_evidence(texts: pa.StringArray) -> CommaEvidence:
    """Count what N distinct texts prove about the comma in numbers."""
    with_comma = texts.filter(pc.match_substring(texts, ",").fill_null(False)).to_pylist()
    # A unit may stand behind the number.
    numbers = [match[0] for text in with_comma if (match := _LEADING_NUMBER.match(text.strip()))]
    counts = Counter(map(_kind_of_comma, numbers))
    return CommaEvidence(counts["decimal"], counts["thousands"], counts["either"])


def _kind_of_comma(number: str) -> str | None:
    if _DECIMAL_COMMA.fullmatch(number) or _POINT_GROUPS.fullmatch(number):
        return "decimal"
    if _COMMA_GROUPS.fullmatch(number):
        return "thousands"
    return "either" if _EITHER.fullmatch(number) else None


def may_be_either(text: str) -> bool:
    """Return whether the comma in a text may be a decimal one or one of thousands."""
    match = _LEADING_NUMBER.match(text.strip())
    return match is not None and _EITHER.fullmatch(match[0]) is not None


def parse_amounts(texts: pa.StringArray, decimal_comma: bool | None = None) -> Amounts:
    """Parse distinct texts; plain decimals without a Python loop."""
    plain = pc.match_substring_regex(texts, _PLAIN).fill_null(False)
    amount = pc.if_else(plain, _normal_forms_of_plain(texts), None)
    zero = pc.equal(amount, "0").fill_null(False)
    amount = pc.if_else(zero, None, amount)
    rest = pc.invert(pc.or_(plain, pc.is_null(texts)))
    if pc.any(rest).as_py():
        amount = _with_slow_ones(amount, texts, rest, decimal_comma)
    value = pc.cast(amount, pa.float64()).fill_null(float("nan"))
    return Amounts(amount, value.to_numpy(zero_copy_only=False))


def _normal_forms_of_plain(texts: pa.StringArray) -> pa.StringArray:
    fractional = pc.match_substring(texts, ".")
    trimmed = pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), ".")
    exact = pc.utf8_ltrim(pc.if_else(fractional, trimmed, texts), "0")
    bare = pc.or_(pc.starts_with(exact, "."), pc.equal(exact, ""))
    return pc.if_else(bare, pc.binary_join_element_wise("0", exact, ""), exact)


def _with_slow_ones(
    amount: pa.StringArray, texts: pa.StringArray, rest: Any, decimal_comma: bool | None
) -> pa.StringArray:
    slow = [normal_form(text, decimal_comma) for text in texts.filter(rest).to_pylist()]
    return pc.replace_with_mask(amount, rest, pa.array(slow, pa.string()))
