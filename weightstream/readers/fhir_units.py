"""The unit of a FHIR Quantity, which has a code, a text, or both."""

from functools import lru_cache
from typing import Any

from weightstream.parsing.units import canonical_unit
from weightstream.readers.documents import text_of

_UCUM = ("http://unitsofmeasure.org", "http://unitsofmeasure.org/", None)


def unit_of(quantity: dict[str, Any]) -> tuple[str | None, str | None]:
    """The unit, and a sentence if code and text name two."""
    code, text = text_of(quantity.get("code")), text_of(quantity.get("unit"))
    if quantity.get("system") not in _UCUM:
        return text or code, None
    return _settled(code, text) if code and text and code != text else (code or text, None)


@lru_cache(maxsize=1024)
def _settled(code: str, text: str) -> tuple[str, str | None]:
    """The code counts, and the text where the code is none; units that differ contradict."""
    coded, written = canonical_unit(code), canonical_unit(text)
    if coded and written and coded != written:
        return code, f"the unit is written {text[:60]!r} and coded {code[:60]!r}"
    return (code if coded or not written else text), None
