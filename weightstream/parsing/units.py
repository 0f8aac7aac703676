"""Units of body weight: from how people write them to a canonical name and kilograms.

Spellings: UCUM (https://ucum.org) and habit. `[lb_ap]`, the apothecary pound, is in practice
written for, and weighs as much as, the ordinary one.
"""

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
    "kg": "kg kgs kg. kilo kilos kilogram kilograms kilogramme kilogrammes",
    "g": "g gm gms gram grams gramme grammes",
    "lb": "lb lbs lb. lbs. lb_av lb_ap [lb_av] [lb_ap] pound pounds",
    "oz": "oz oz. oz_av [oz_av] ounce ounces",
    "st": "st st. stone stones [stone_av]",
}
_CANONICAL = {
    spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()
}

_BODY_MASS_INDEX = {
    "bmi", "kg/m2", "kg/m^2", "kg/m²", "kg/m**2", "kg.m-2", "kgm-2", "kg·m-2", "kg/sqm",
}  # fmt: skip
_BODY_SURFACE = {"bsa", "m2", "m^2", "m²", "m**2", "sqm"}


@dataclass(frozen=True)
class Units:
    """What V spellings mean.

    code: (V,) int32, index into CODES, -1 where it is no unit of weight.
    multiplier, divisor: (V,) float64; kg = amount * multiplier / divisor.
    not_body_weight: (V,) bool, a body mass index or a body surface.
    """

    code: npt.NDArray[np.int32]
    multiplier: npt.NDArray[np.float64]
    divisor: npt.NDArray[np.float64]
    not_body_weight: npt.NDArray[np.bool_]


CODES = tuple(KILOGRAMS)


def canonical_unit(text: str) -> str | None:
    """kg, g, lb, oz or st; None where the text is no unit of weight. Case and spaces are free."""
    return _CANONICAL.get("".join(text.split()).lower())


def measures_something_else(text: str) -> bool:
    """Whether the text is the unit of a body mass index or of a body surface."""
    key = "".join(text.split()).lower()
    return key in _BODY_MASS_INDEX or key in _BODY_SURFACE


def parse_units(texts: list[str]) -> Units:
    """Look up distinct spellings; missing ones are not expected here."""
    names = [canonical_unit(text) for text in texts]
    # Grams are divided by 1000, since a product with 0.001 would not be the nearest float.
    factors = [KILOGRAMS[name] if name else Fraction(1) for name in names]
    grams = np.array([factor == Fraction(1, 1000) for factor in factors], dtype=bool)
    return Units(
        code=np.array([CODES.index(name) if name else -1 for name in names], dtype=np.int32),
        multiplier=np.where(grams, 1.0, np.array([float(f) for f in factors], dtype=np.float64)),
        divisor=np.where(grams, 1000.0, 1.0),
        not_body_weight=np.array([measures_something_else(text) for text in texts], dtype=bool),
    )


def required_unit(text: str) -> str:
    """The canonical name of a unit that a person gave. Raises InputError if it is none."""
    unit = canonical_unit(text)
    if unit is None:
        raise InputError(f"{text!r} is no unit of weight; give kg, g, lb, oz or st")
    return unit
