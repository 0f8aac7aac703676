"""The store as one table: a row per measurement with its current decision."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.judging.explanation import EXPLAINED_BY, explain_rows
from weightstream.outputs.exports.excel import excel_safe
from weightstream.outputs.exports.table_files import write_tables
from weightstream.parsing.coded import trimmed
from weightstream.parsing.times import parse_times
from weightstream.schema import EXPORT
from weightstream.store import queries
from weightstream.store.connection import ReadPool
from weightstream.store.locks import shared_run_lock
from weightstream.store.stored_persons import StoredPersons
from weightstream.store.verifying import verify_persons, verify_shared

USERS_AT_A_TIME = 1000

STORED = EXPORT.remove(EXPORT.get_field_index("explanation"))
"""What the view current_decisions holds."""


Write = Callable[[sqlite3.Connection, Path, str, list[str] | None], int]
"""Writes something of the store: from a connection to a path, under the store's timezone, of all
persons or of the named ones; returns the rows."""


def export(
    connection: sqlite3.Connection,
    out: Path,
    timezone: str,
    users: list[str] | None = None,
    *,
    for_excel: bool = False,
) -> int:
    """Write the current decisions to out (.csv, .parquet or .ndjson); returns the rows written.

    Sorted by user, time, source, kg, id; of all persons, or of the named ones. The file appears
    when it is complete. for_excel: texts that a spreadsheet would compute get an apostrophe.
    Raises ConfigError for another ending.
    """
    tables = current_decisions(connection, timezone, users)
    return write_tables(out, EXPORT, map(excel_safe, tables) if for_excel else tables)


def current_decisions(
    connection: sqlite3.Connection, timezone: str, users: list[str] | None = None
) -> Iterator[pa.Table]:
    """EXPORT tables of some persons each, in the order of the export."""
    users = queries.user_ids(connection) if users is None else users
    for some in queries.chunks(users, USERS_AT_A_TIME):
        verify_persons(connection, some)
        yield decisions_of(connection, some, timezone)


def decisions_of(connection: sqlite3.Connection, users: Sequence[str], timezone: str) -> pa.Table:
    """The EXPORT table of some persons, in the order of the export."""
    table = in_order(queries.current_view(connection, STORED, users), timezone)
    return table.append_column("explanation", explanations(table)).select(EXPORT.names)


def explanations(table: pa.Table) -> pa.Array:
    """One sentence for each rejected row of a STORED table; null for the others."""
    rejected = pc.equal(table["verdict"], "rejected")
    some = table.select(EXPLAINED_BY).filter(rejected)
    told = explain_rows(some.to_pydict(), range(len(some)))
    return pc.replace_with_mask(
        pa.nulls(len(table), pa.string()), rejected.combine_chunks(), pa.array(told, pa.string())
    )


def in_order(table: pa.Table, timezone: str) -> pa.Table:
    """Sort by user, time, source, kg, id; a date alone stands at 12:00 local."""
    times = parse_times(table["effective_at"].combine_chunks(), timezone, None)
    keyed = table.append_column("time_us", pa.array(times.us))
    keys = ("user_id", "time_us", "source", "weight_kg", "measurement_id")
    return table.take(pc.sort_indices(keyed, sort_keys=[(name, "ascending") for name in keys]))


def export_store(config: Config, out: Path, user: str | None = None, write: Write = export) -> int:
    """Export the configured store, or one person of it. Raises StoreError, ConfigError."""
    data_dir = config.data.data_dir.absolute()
    with shared_run_lock(data_dir), ReadPool(data_dir, 1) as pool, pool.connection() as connection:
        connection.execute("begin")  # one state of the store, whatever is written meanwhile
        verify_shared(connection)
        timezone = queries.setting(connection, "timezone") or config.data.timezone
        user = None if user is None else trimmed(user)
        if user is not None and not _holds(connection, user):
            raise ConfigError(f"the store {pool.path} has no person called {user!r}")
        return write(connection, out, timezone, None if user is None else [user])


def _holds(connection: sqlite3.Connection, user: str) -> bool:
    """Return whether the store holds anything of a person, if only quarantined rows."""
    return user in StoredPersons(connection).persons([user]) or bool(
        queries.quarantined_spellings(connection, user)
    )
