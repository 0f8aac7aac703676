"""A folder that explains itself: decisions, what was received, and a datapackage.json about them.

https://specs.frictionlessdata.io/tabular-data-package/
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa

from weightstream.atomic_files import appearing
from weightstream.errors import ConfigError
from weightstream.outputs.exports.decisions import export
from weightstream.outputs.exports.received import RECEIVED, export_received
from weightstream.schema import EXPORT, QUARANTINE_REASONS, REASONS
from weightstream.store.descriptions import column_of

TYPES = {pa.string(): "string", pa.float64(): "number", pa.int64(): "integer"}
ALLOWED = {
    "verdict": ["accepted", "rejected"],
    "reason": list(REASONS),
    "stage": ["causal", "retro"],
    "quarantined_as": list(QUARANTINE_REASONS),
}
TITLES = {
    "decisions": "Every measurement with its current decision",
    "received": "Every stored row as it was received; quarantined ones last",
}


def export_package(
    connection: sqlite3.Connection, out: Path, timezone: str, users: list[str] | None = None
) -> int:
    """Write decisions.csv, received.csv and datapackage.json into a folder; see export.Write."""
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{out}: is not a folder that can be written to ({error.strerror})"
        ) from None
    rows = export(connection, out / "decisions.csv", timezone, users)
    rows += export_received(connection, out / "received.csv", timezone, users)
    described = {
        "profile": "tabular-data-package",
        "name": "weightstream",
        "title": "Body weights and the decisions on them",
        "resources": [resource("decisions", EXPORT), resource("received", RECEIVED)],
    }
    with appearing(out / "datapackage.json") as unfinished:
        unfinished.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return rows


def resource(name: str, columns: pa.Schema) -> dict[str, Any]:
    """What datapackage.json says of one file."""
    described: dict[str, Any] = {"fields": [field(name, one) for one in columns]}
    described["missingValues"] = [""]
    if name == "decisions":
        described["primaryKey"] = ["measurement_id"]
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "title": TITLES[name],
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": described,
    }


def field(table: str, column: pa.Field) -> dict[str, Any]:
    """Name, type, meaning, unit (UCUM) and allowed values of a column."""
    meaning = column_of(table, column.name)
    said: dict[str, Any] = {"name": column.name, "type": TYPES[column.type]}
    if meaning:
        said |= {"description": meaning.of} | ({"unit": meaning.unit} if meaning.unit else {})
    if column.name in ALLOWED:
        said["constraints"] = {"enum": ALLOWED[column.name]}
    return said
