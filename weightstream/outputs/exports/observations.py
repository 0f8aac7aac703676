"""Accepted readings as FHIR R4 Observations, each with the level at its time as a derived one.

https://hl7.org/fhir/R4/observation.html. The level has no LOINC code, so that nobody who reads the
file takes an estimate for a weighing.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc

from weightstream.outputs.exports.decisions import current_decisions
from weightstream.outputs.exports.table_files import write_lines
from weightstream.parsing.quantities import as_measured

ENDING = ".fhir.ndjson"
UCUM = {"kg": "kg", "g": "g", "lb": "[lb_av]", "oz": "[oz_av]", "st": "[stone_av]"}
"""Canonical unit to its code in UCUM."""

_UCUM_SYSTEM = "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_BODY_WEIGHT = {"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}
_LEVEL = "Estimated level of body weight"
_BOUNDS = {
    "level_lo_kg": "Lower end of the 95 % interval",
    "level_hi_kg": "Upper end of the 95 % interval",
}


def export_observations(
    connection: sqlite3.Connection, out: Path, timezone: str, users: list[str] | None = None
) -> int:
    """Write accepted readings as NDJSON, one resource a line; returns the lines. See export.Write.

    Values are in the unit in which they were received, digit by digit.
    """
    return write_lines(out, _lines(connection, timezone, users))


def _lines(
    connection: sqlite3.Connection, timezone: str, users: list[str] | None
) -> Iterator[bytes]:
    for table in current_decisions(connection, timezone, users):
        for row in table.filter(pc.equal(table["verdict"], "accepted")).to_pylist():
            yield orjson.dumps(reading_of(row))
            if row["level_kg"] is not None:
                yield orjson.dumps(level_of(row))


def reading_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The Observation of an accepted row of the export."""
    found = as_measured(row["raw_weight"], row["raw_unit"], row["weight_kg"])
    amount, unit = (found.amount, found.unit) if found else ("null", None)
    return _common(row, row["measurement_id"]) | {
        "category": [{"coding": [{"system": _CATEGORY, "code": "vital-signs"}]}],
        "code": {"coding": [_BODY_WEIGHT], "text": _BODY_WEIGHT["display"]},
        "valueQuantity": _quantity(orjson.Fragment(amount), UCUM[unit or "kg"]),
        "device": {"display": row["source"]},
    }


def level_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The level at the time of a row of the export, in kg."""
    return _common(row, f"{row['measurement_id']}-level") | {
        "code": {"text": _LEVEL},
        "valueQuantity": _quantity(row["level_kg"], "kg"),
        "method": {"text": f"weightstream, {row['stage']}, parameters {row['model']}"},
        "derivedFrom": [{"reference": f"Observation/{row['measurement_id']}"}],
        "component": [
            {"code": {"text": text}, "valueQuantity": _quantity(row[name], "kg")}
            for name, text in _BOUNDS.items()
        ],
    }


def _common(row: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": own_id,
        "status": "final",
        "subject": {"type": "Patient", "identifier": {"value": row["user_id"]}},
        "effectiveDateTime": row["effective_at"],
    }


def _quantity(value: Any, code: str) -> dict[str, Any]:
    return {"value": value, "unit": code, "system": _UCUM_SYSTEM, "code": code}
