"""What changes the store: whole columns in, one transaction for some persons at a time."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weightstream.decided import Decided
from weightstream.errors import StaleRevision
from weightstream.store.connection import explained, transaction

Columns = Mapping[str, Sequence[Any]]

MEASUREMENT_KEY = ("user_id", "effective_at", "measurement_id")
DECISION_KEY = (*MEASUREMENT_KEY, "version")


def write_decided(
    connection: sqlite3.Connection, path: Path, decided: Decided, run: int, users_per_commit: int
) -> Iterator[int]:
    """Store a batch, `users_per_commit` persons to a transaction; yields the persons committed.

    Raises StaleRevision, with nothing of that transaction written, naming the persons whose series
    changed since `decided` read them; StoreError if the store cannot be written.
    """
    users = len(decided.user_ids)
    for start in range(0, users, users_per_commit):
        stop = min(start + users_per_commit, users)
        with explained(path), transaction(connection):
            check_revisions(connection, decided, start, stop)
            write_part(connection, decided, start, stop, run)
        yield stop


def check_revisions(
    connection: sqlite3.Connection, decided: Decided, start: int, stop: int
) -> None:
    wanted = decided.user_ids[start:stop]
    found = dict(
        connection.execute(
            "select user_id, revision from users where user_id in (select value from json_each(?))",
            (json.dumps(wanted),),
        )
    )
    revisions = decided.revisions[start:stop].tolist()
    pairs = zip(wanted, revisions, strict=True)
    if stale := [user for user, revision in pairs if found.get(user, 0) != revision]:
        raise StaleRevision(stale)


def write_part(
    connection: sqlite3.Connection, decided: Decided, start: int, stop: int, run: int
) -> None:
    insert(connection, "measurements", decided.measurements.part(start, stop), run=run)
    insert(connection, "decisions", decided.decisions.part(start, stop), run=run)
    update(connection, "decisions", DECISION_KEY, decided.estimates.part(start, stop))
    update(connection, "measurements", MEASUREMENT_KEY, decided.respelled.part(start, stop))
    insert(connection, "users", decided.users.part(start, stop), verb="replace")
    insert(connection, "user_states", decided.states.part(start, stop), verb="replace")
    replaced = [
        user
        for user, whole in zip(
            decided.user_ids[start:stop], decided.recomputed[start:stop].tolist(), strict=True
        )
        if whole
    ]
    if replaced:
        connection.execute(
            "delete from level_shifts where user_id in (select value from json_each(?))",
            (json.dumps(replaced),),
        )
    insert(connection, "level_shifts", decided.shifts.part(start, stop), verb="replace")


def insert(
    connection: sqlite3.Connection,
    table: str,
    columns: Columns,
    verb: str = "insert",
    run: int | None = None,
) -> None:
    """Insert equally long columns; as many rows to a statement as SQLite has variables for.

    Measured against executemany on 17 columns: 1.5 times as fast, and the GIL is given up once a
    statement instead of once a row.
    """
    rows = len(next(iter(columns.values())))
    names = [*columns, "run"] if run is not None else list(columns)
    row = "(" + ", ".join(["?"] * len(columns) + ([str(run)] if run is not None else [])) + ")"
    limit = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    per_statement = min(limit, 32_766) // len(columns)
    for start in range(0, rows, per_statement):
        count = min(per_statement, rows - start)
        flat: list[Any] = [None] * (count * len(columns))
        for position, values in enumerate(columns.values()):
            flat[position :: len(columns)] = values[start : start + count]
        statement = f"{verb} into {table} ({', '.join(names)}) values {', '.join([row] * count)}"
        connection.execute(statement, flat)


def update(
    connection: sqlite3.Connection, table: str, key: tuple[str, ...], columns: Columns
) -> None:
    """Set the columns that are not of the key, row by row."""
    changed = [name for name in columns if name not in key]
    statement = (
        f"update {table} set {', '.join(f'{name} = ?' for name in changed)} "  # noqa: S608
        f"where {' and '.join(f'{name} = ?' for name in key)}"
    )
    connection.executemany(
        statement, zip(*(columns[name] for name in (*changed, *key)), strict=True)
    )
