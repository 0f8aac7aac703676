"""Named sets of parameters as text, and in the store: what `weightstream learn` makes."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from weightstream.engine.model import PRIOR, Parameters, Process, SourceModel
from weightstream.store.connection import explained, transaction
from weightstream.store.runs import now


def to_json(parameters: Parameters) -> str:
    return json.dumps(asdict(parameters), sort_keys=True)


def from_json(text: str) -> Parameters:
    read = json.loads(text)
    return Parameters(
        read["name"],
        Process(**read["process"]),
        {name: SourceModel(**source) for name, source in read["sources"].items()},
        SourceModel(**read["unknown"]),
    )


def active(connection: sqlite3.Connection) -> Parameters:
    """The set that ingest and retro use; prior-1 until another was learnt."""
    row = connection.execute("select parameters from models where active").fetchone()
    return from_json(row[0]) if row else PRIOR


def next_name(connection: sqlite3.Connection) -> str:
    (count,) = connection.execute("select count(*) from models").fetchone()
    return f"learnt-{count + 1}"


def activate(
    connection: sqlite3.Connection, path: Path, parameters: Parameters, readings: Mapping[str, int]
) -> None:
    """Store a new set; it is the active one from now on, and everyone is looked at again."""
    with explained(path), transaction(connection):
        connection.execute("update models set active = 0")
        connection.execute(
            "insert into models (name, active, learnt_at, readings, parameters) "
            "values (?, 1, ?, ?, ?)",
            (parameters.name, now(), sum(readings.values()), to_json(parameters)),
        )
        for name, source in parameters.sources.items():
            connection.execute(
                "insert into sources (model, source, bias_kg, noise_kg, error_rate, readings) "
                "values (?, ?, ?, ?, ?, ?)",
                (
                    parameters.name,
                    name,
                    source.bias_kg,
                    source.noise_kg,
                    source.error_rate,
                    readings.get(name, 0),
                ),
            )
        connection.execute("update users set dirty = 1")
