"""Named sets of parameters in the store; the active one is what ingest and retro judge by."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from weightstream.config import Config
from weightstream.engine.model import PRIOR, Parameters
from weightstream.judging.causal import Judging, judging_of
from weightstream.judging.parameters import from_json, to_json
from weightstream.store import queries
from weightstream.store.connection import explained, transaction
from weightstream.store.runs import now


def active(connection: sqlite3.Connection) -> Parameters:
    """Return the set that ingest and retro use; prior-1 until another was learnt."""
    row = connection.execute("select parameters from models where active").fetchone()
    return from_json(row[0]) if row else PRIOR


def next_name(connection: sqlite3.Connection) -> str:
    (count,) = connection.execute("select count(*) from models").fetchone()
    return f"learnt-{count + 1}"


def activate(
    connection: sqlite3.Connection, path: Path, parameters: Parameters, readings: Mapping[str, int]
) -> bool:
    """Make a set the active one, and store it if it is new; everyone is then due for retro.

    Returns False if it is equal to the active set but for its name, which then stays, and is not
    stale any more.
    """
    before = active(connection)
    with explained(path), transaction(connection):
        if replace(parameters, name=before.name) == before:
            connection.execute("update models set stale = 0 where active")
            return False
        connection.execute("update models set active = 0")
        if parameters != PRIOR:
            _insert(connection, parameters, readings)
        connection.execute("update users set dirty = 1")
    return True


def _insert(
    connection: sqlite3.Connection, parameters: Parameters, readings: Mapping[str, int]
) -> None:
    connection.execute(
        "insert into models (name, active, learnt_at, readings, parameters) values (?, 1, ?, ?, ?)",
        (parameters.name, now(), sum(readings.values()), to_json(parameters)),
    )
    connection.executemany(
        "insert into sources (model, source, bias_kg, noise_kg, error_rate, readings) "
        "values (?, ?, ?, ?, ?, ?)",
        [
            (
                parameters.name,
                name,
                source.bias_kg,
                source.noise_kg,
                source.error_rate,
                readings.get(name, 0),
            )
            for name, source in parameters.sources.items()
        ],
    )


def judging_on(connection: sqlite3.Connection, config: Config) -> Judging:
    """Return how a store is judged outside a run: by its active parameters, in its timezone."""
    timezone = queries.setting(connection, "timezone") or config.data.timezone
    return replace(judging_of(config, active(connection)), timezone=timezone)
