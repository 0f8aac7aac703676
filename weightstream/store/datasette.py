"""Metadata for Datasette: meanings, facets, and a query to start with.

https://docs.datasette.io/en/stable/metadata.html
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from weightstream.atomic_files import appearing
from weightstream.store.connection import STORE_NAME
from weightstream.store.descriptions import TABLES, column_of
from weightstream.store.migrations import migrations

METADATA_NAME = "metadata.json"
FACETS = {
    "current_decisions": ["verdict", "reason", "source", "stage"],
    "rejected_readings": ["reason", "source", "stage"],
    "measurements": ["source"],
    "decisions": ["verdict", "reason", "stage"],
    "quarantine": ["reason", "file"],
    "quarantine_by_reason": ["reason", "file"],
    "files": ["importer"],
    "runs": ["kind", "status"],
    "overrides": ["action", "made_by"],
}
HIDDEN = ("_sqlite_migrations", "settings", "user_states", "users")
"""Of use to the program; persons is the readable face of users."""

SERIES_OF_A_PERSON = (
    "select effective_at, source, weight_kg, verdict, reason, level_lo_kg, level_kg, level_hi_kg, "
    "trend_kg_per_week from current_decisions where user_id = :user_id order by effective_at"
)


def write_metadata(data_dir: Path) -> None:
    """Write metadata.json beside the store unless it is up to date. Raises ConfigError."""
    path = data_dir / METADATA_NAME
    text = json.dumps(metadata(), indent=1) + "\n"
    if path.is_file() and path.read_text("utf-8") == text:
        return
    with appearing(path) as unfinished:
        unfinished.write_text(text, "utf-8")


def metadata() -> dict[str, Any]:
    """Return the content for `datasette weightstream.db -m metadata.json`."""
    database = Database(sqlite3.connect(":memory:"))
    migrations.apply(database)
    views = database.view_names()
    tables = {
        name: _table(name, [column.name for column in database[name].columns], name in views)
        for name in [*views, *database.table_names()]
    }
    store = {
        "description": "Body weights of many people, and the decision on each. "
        "Start at current_decisions.",
        "tables": tables,
        "queries": {
            "series_of_a_person": {
                "title": "The series of a person",
                "sql": SERIES_OF_A_PERSON,
            }
        },
    }
    return {"title": "weightstream", "databases": {Path(STORE_NAME).stem: store}}


def _table(name: str, columns: list[str], is_view: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": TABLES[name][0]} if name in TABLES else {}
    shown["columns"] = {
        column: f"{meaning.of} ({meaning.unit})" if meaning.unit else meaning.of
        for column in columns
        if (meaning := column_of(name, column))
    }
    shown["facets"] = FACETS.get(name, [])
    if is_view:
        shown["sortable_columns"] = columns
    if name in HIDDEN:
        shown["hidden"] = True
    return shown
