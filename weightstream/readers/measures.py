"""Long tables say in each row what it measures: which words and codes are a body weight."""

import re
from functools import lru_cache

from weightstream.readers.column_names import PLAIN, parse_name, weight_fit, word_set

CODES: dict[str, str | None] = {
    # LOINC: measured, stated, estimated, with and without clothes.
    **dict.fromkeys(("29463-7", "3141-9", "3142-7", "8335-2", "8350-1", "8351-9")),
    # SNOMED CT: body weight, measured, with and without shoes, current.
    **dict.fromkeys(("27113001", "363808001", "424927000", "425024002", "735395000")),
    # OMOP concepts of the first three of LOINC.
    **dict.fromkeys(("3025315", "3013762", "3023166")),
    # MIMIC-IV and -III: daily, admission, present.
    "224639": "kg", "226512": "kg", "226531": "lb", "762": "kg", "763": "kg",
    "3580": "kg", "3581": "lb", "3582": "oz",
    "weightkg": "kg", "weightlb": "lb", "weightlbs": "lb",
    "hkquantitytypeidentifierbodymass": None, "com.google.weight": None, "body_mass": None,
}  # fmt: skip
"""Code, in lower case, to the unit in which it is given, where the code itself says so."""

_OTHERS = word_set(
    "height length bmi bsa fat lean muscle bone water pulse heart rate pressure systolic"
    " diastolic temperature saturation oxygen steps glucose waist hip circumference head headcm"
    " heightcm lengthcm heightin lengthin respiratory respiration energy calories sleep hba1c"
    " creatinine cholesterol visceral metabolic weight mass gewicht größe puls bp spo2 hr"
)
_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]\s*$")
_TOKEN = re.compile(r"[^\s|^:,;/()]+")


@lru_cache(maxsize=65_536)
def weight_unit(cell: str) -> tuple[bool, str | None]:
    """Whether a cell says that its row is a body weight, and the unit that it states."""
    text = cell.strip().casefold()
    if text in CODES:
        return True, CODES[text]
    # A short number counts as a code only where it is the whole cell.
    if any(token in CODES for token in _TOKEN.findall(text) if len(token) > 5):
        return True, None
    name = parse_name(cell)
    if weight_fit(name) == PLAIN:
        return True, name.unit
    # Of "Weight (Apple Health)" the brackets tell where it is from.
    is_one = weight_fit(name) > 0 and weight_fit(parse_name(_BRACKETS.sub("", cell))) == PLAIN
    return (True, name.unit) if is_one else (False, None)


def is_known(cell: str) -> bool:
    """Whether a cell names something that is measured of a body, be it a weight or another."""
    return weight_unit(cell)[0] or bool(parse_name(cell).words & _OTHERS)
