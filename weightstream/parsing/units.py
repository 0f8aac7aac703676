"""Units of body weight: from their spellings to a canonical name and kilograms.

Spellings: UCUM (https://ucum.org) and habit. `[lb_ap]`, the apothecary pound, is in practice
written for, and weighs as much as, the ordinary one.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from weightstream.errors import InputError

POUND_KG = Fraction("0.45359237")

KILOGRAMS = {
    "kg": Fraction(1),
    "g": Fraction(1, 1000),
    "lb": POUND_KG,
    "oz": POUND_KG / 16,
    "st": POUND_KG * 14,
}
"""Canonical unit to kilograms, exact by the definition of the international pound."""

_SPELLINGS = {
    "kg": "kg kgs kg. kilo kilos kilogram kilograms kilogramme kilogrammes kilogramm kilogramos"
    " quilo quilos quilogramas chilogrammi kgm кг 公斤 千克 9529",
    "g": "g gm gms gr gram grams gramme grammes gramm gramos grm 8504",
    "lb": "lb lbs lb. lbs. lb_av lb_ap [lb_av] [lb_ap] lb(s) pound pounds pound(us) libra libras"
    " livres lbr 8739",
    "oz": "oz oz. oz_av [oz_av] ounce ounces onz 9373",
    "st": "st st. stone stones [stone_av] sti",
}
"""Besides UCUM and habit: UNECE's codes (KGM) and OMOP's concepts (9529)."""
_CANONICAL = {
    spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()
}

_REPEATED = re.compile(r"([^(\[]+)[(\[]([^)\]]+)[)\]]")

_BODY_MASS_INDEX = {
    "bmi", "kg/m2", "kg/m^2", "kg/m²", "kg/m**2", "kg.m-2", "kgm-2", "kg·m-2", "kg/sqm",
}  # fmt: skip
_BODY_SURFACE = {"bsa", "m2", "m^2", "m²", "m**2", "sqm"}


@dataclass(frozen=True)
class Units:
    """The units of V spellings.

    code: (V,) int32, index into CODES, -1 if it is not a unit of weight.
    not_body_weight: (V,) bool, a body mass index or a body surface.
    """

    code: npt.NDArray[np.int32]
    not_body_weight: npt.NDArray[np.bool_]


CODES = tuple(KILOGRAMS)


def canonical_unit(text: str) -> str | None:
    """Return kg, g, lb, oz or st; None if the text is not a unit of weight. Case and spaces are
    ignored.

    "pounds (lb)" is lb: brackets may repeat a unit, but not change it.
    """
    key = "".join(text.split()).lower()
    found = _CANONICAL.get(key)
    if found is None and (match := _REPEATED.fullmatch(key)):
        first, second = _CANONICAL.get(match[1]), _CANONICAL.get(match[2])
        return first if first == second else None
    return found


def measures_something_else(text: str) -> bool:
    """Return whether the text is the unit of a body mass index or of a body surface."""
    key = "".join(text.split()).lower()
    return key in _BODY_MASS_INDEX or key in _BODY_SURFACE


def parse_units(texts: list[str]) -> Units:
    """Look up distinct spellings; missing ones are not expected here."""
    names = [canonical_unit(text) for text in texts]
    return Units(
        code=np.array([CODES.index(name) if name else -1 for name in names], dtype=np.int32),
        not_body_weight=np.array([measures_something_else(text) for text in texts], dtype=bool),
    )


def kilograms(
    amounts: npt.NDArray[np.float64], codes: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Return (N,) kg of amounts in the units `codes`; without a unit (-1), the amount itself."""
    # Grams are divided by 1000, since a product with 0.001 would not be the nearest float.
    multiplier = np.array([*(1.0 if n == "g" else float(KILOGRAMS[n]) for n in CODES), 1.0])
    divisor = np.array([*(1000.0 if name == "g" else 1.0 for name in CODES), 1.0])
    with np.errstate(over="ignore"):
        return amounts * multiplier[codes] / divisor[codes]


def required_unit(text: str) -> str:
    """The canonical name of a unit that a person gave. Raises InputError if it is none."""
    unit = canonical_unit(text)
    if unit is None:
        raise InputError(f"{text!r} is not a known unit of weight; give kg, g, lb, oz or st")
    return unit
