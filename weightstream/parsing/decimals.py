"""Exact decimals: from the text of a number to its one normal form and the nearest float.

80, 80.0, 080, +80 and 8e1 are all "80". Only ASCII digits count, and only positive numbers.
"""

import re
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


@dataclass(frozen=True)
class Amounts:
    """What V texts say.

    amount: (V,) string, the normal form; null where the text is no positive number.
    value: (V,) float64, the float nearest to it; nan where there is none.
    """

    amount: pa.StringArray
    value: npt.NDArray[np.float64]


def normal_form(text: str, decimal_comma: bool = False) -> str | None:
    """The exact positive decimal that the text writes, without exponent and idle zeros; else None.

    decimal_comma: also take "80,5"; "80,500" stays out, for it may mean thousands.
    """
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        return None
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
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


def parse_amounts(texts: pa.StringArray, decimal_comma: bool = False) -> Amounts:
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
    amount: pa.StringArray, texts: pa.StringArray, rest: Any, decimal_comma: bool
) -> pa.StringArray:
    slow = [normal_form(text, decimal_comma) for text in texts.filter(rest).to_pylist()]
    return pc.replace_with_mask(amount, rest, pa.array(slow, pa.string()))
