"""The cell of a weight: a number, or numbers with their units, such as 12 st 4 lb."""

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.parsing.decimals import MAX_CHARACTERS, normal_form, parse_amounts
from weightstream.parsing.units import CODES, KILOGRAMS, canonical_unit

_PART = re.compile(r"\s*(\+?[0-9][0-9.,]*)\s*([^\W\d_][^\s\d,]*)?(?:,?\s+(?:and\s+)?|\s*|$)")
SMALLER = {"st": ("lb", 14), "lb": ("oz", 16), "kg": ("g", 1000)}
"""The next smaller unit of each unit, and how many of it make one."""


@dataclass(frozen=True)
class Quantities:
    """The parsed quantities of V texts.

    amount: (V,) string, the exact decimal in its normal form; null if the text is not a positive
    quantity. value: (V,) float64, the float nearest to it, or nan. unit: (V,) int32, index into
    units.CODES of the unit that the text itself names, else -1. complete: (V,) bool, it names
    several units, such as stones and pounds, so that no other can be meant.
    """

    amount: pa.StringArray
    value: npt.NDArray[np.float64]
    unit: npt.NDArray[np.int32]
    complete: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Quantity:
    amount: str
    unit: str | None
    complete: bool = False


def parse_quantities(texts: pa.StringArray, decimal_comma: bool | None = None) -> Quantities:
    """Parse distinct texts; plain decimals without a Python loop."""
    numbers = parse_amounts(texts, decimal_comma)
    unit = np.full(len(texts), -1, dtype=np.int32)
    complete = np.zeros(len(texts), dtype=bool)
    worded = pc.match_substring_regex(texts, r"[0-9]\s*[^0-9\s.,+\-eE]|[eE][^0-9+\-]")
    rest = pc.and_(pc.is_null(numbers.amount), worded).fill_null(False)
    if not pc.any(rest).as_py():
        return Quantities(numbers.amount, numbers.value, unit, complete)
    amounts, values = numbers.amount.to_pylist(), numbers.value.copy()
    for index in np.flatnonzero(rest.to_numpy(zero_copy_only=False)).tolist():
        found = quantity_of(texts[index].as_py(), decimal_comma)
        if found and found.unit:
            amounts[index], values[index] = found.amount, float(found.amount)
            unit[index], complete[index] = CODES.index(found.unit), found.complete
    return Quantities(pa.array(amounts, pa.string()), values, unit, complete)


def quantity_of(text: str, decimal_comma: bool | None = None) -> Quantity | None:
    """Return the quantity of one text; None if it is not a quantity.

    Several parts are added up in the smallest unit: 12 st 4 lb is 172 lb, also without the word
    for pounds. Each part but the first is in the next smaller unit.
    """
    number = normal_form(text, decimal_comma)
    if number:
        return Quantity(number, None)
    if len(text) > MAX_CHARACTERS:
        return None
    parts, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            return None
        parts.append((match[1].rstrip(",."), match[2]))
        at = match.end()
    return _added_up(parts, decimal_comma)


def _added_up(parts: list[tuple[str, str | None]], decimal_comma: bool | None) -> Quantity | None:
    total, unit = Decimal(0), None
    for number, word in parts:
        amount = "0" if set(number) <= set("0.,") else normal_form(number, decimal_comma)
        stated = canonical_unit(word) if word else "lb" if unit == "st" else None
        if amount is None or stated is None or unit not in (None, *_larger(stated)):
            return None
        factor = SMALLER[unit][1] if unit else 1
        if unit and (total % 1 or Decimal(amount) >= factor):  # not how anyone writes a sum
            return None
        total, unit = total * factor + Decimal(amount), stated
    if unit is None or not total:
        return None
    written = normal_form(format(total, "f"))
    return Quantity(written, unit, len(parts) > 1) if written else None


def as_measured(raw_weight: str, raw_unit: str, weight_kg: float) -> Quantity | None:
    """Return the quantity of a measurement, from its texts and the mass parsed from them.

    The mass shows what a comma meant in its file.
    """
    found = [
        quantity if quantity.unit else Quantity(quantity.amount, canonical_unit(raw_unit))
        for comma in (True, False)
        if (quantity := quantity_of(raw_weight, comma))
    ]
    apart = [abs(float(q.amount) * float(KILOGRAMS[q.unit or "kg"]) - weight_kg) for q in found]
    return found[apart.index(min(apart))] if found else None


def _larger(unit: str) -> list[str]:
    return [larger for larger, (smaller, _) in SMALLER.items() if smaller == unit]
