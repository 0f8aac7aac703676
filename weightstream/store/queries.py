"""Queries of the store."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from weightstream.parsing.coded import trimmed

ROWS_AT_A_TIME = 1000
FETCHING = threading.Lock()
"""Held while rows are fetched. SQLite's binding releases and takes the GIL at each row, so threads
that fetch in parallel wait for each other (four threads take twice the processor time of one)."""


def human_decisions(
    connection: sqlite3.Connection, user_ids: Sequence[str]
) -> dict[str, list[tuple[str, str, str, str, str]]]:
    """Return overrides in force, by the person whose series the reading is in.

    Each is measurement_id, action, made_by, made_at, note.
    """
    found: dict[str, list[Any]] = {}
    wanted = json.dumps(list(user_ids))
    columns = "measurement_id, action, made_by, made_at, coalesce(note, '')"
    for user, *override in connection.execute(
        f"select user_id, {columns} from json_each(?) wanted join overrides "  # noqa: S608
        "on user_id = wanted.value where withdrawn_at is null and assigned_to is null "
        f"union all select assigned_to, {columns} from json_each(?) wanted join overrides "
        "on assigned_to = wanted.value where withdrawn_at is null",
        (wanted, wanted),
    ):
        found.setdefault(user, []).append(tuple(override))
    return found


def table(
    connection: sqlite3.Connection, schema: pa.Schema, query: str, values: Sequence[Any] = ()
) -> pa.Table:
    """Run a query. Some rows at a time: twice as fast as all, which no cache holds."""
    parts = []
    with FETCHING:
        cursor = connection.execute(query, values)
        while rows := cursor.fetchmany(ROWS_AT_A_TIME):
            parts.append(table_of(rows, schema))
    return pa.concat_tables(parts).combine_chunks() if parts else schema.empty_table()


def table_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Return rows of SQLite as a table."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def listed(values: Sequence[str]) -> str:
    """Return any number of values as one, for json_each."""
    return json.dumps(list(values))


def user_ids(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("select user_id from users where readings > 0 order by user_id")
    return [user for (user,) in rows]


def revisions(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return all persons, and the revision of their series."""
    query = "select user_id, revision from users order by user_id"
    return connection.execute(query).fetchall()


def readings(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of readings of those of user_ids that are known."""
    query = "select user_id, readings from json_each(?) wanted join users on user_id = wanted.value"
    return dict(connection.execute(query, (json.dumps(list(user_ids)),)).fetchall())


def due(connection: sqlite3.Connection, basis: str) -> tuple[list[str], list[int]]:
    """Return the persons who are due for retro, in the order of their ids, and their readings.

    Those are persons whose newest change it has not seen, and persons judged under another
    Judging.fingerprint than `basis`: by another engine, configuration or set of parameters.
    """
    rows = connection.execute(
        "select user_id, readings from users left join user_states using (user_id) "
        "where dirty or basis <> ? order by user_id",
        (basis,),
    ).fetchall()
    return [user for user, _ in rows], [readings for _, readings in rows]


def judged_otherwise(connection: sqlite3.Connection, basis: str) -> int:
    """Return how many persons were last judged under another Judging.fingerprint than `basis`."""
    query = "select count(*) from user_states where basis <> ?"
    return int(connection.execute(query, (basis,)).fetchone()[0])


def awaiting_override(connection: sqlite3.Connection) -> list[str]:
    """Return the persons to whom a reviewer's decision has not been applied yet, ascending."""
    rows = connection.execute("select user_id from users where dirty = 2 order by user_id")
    return [user for (user,) in rows]


def quarantined_spellings(connection: sqlite3.Connection, user_id: str) -> list[str]:
    """Return the cells of quarantine that are the id, with any kind of spaces around it."""
    near = connection.execute(
        "select distinct user_id from quarantine where instr(user_id, ?)", (user_id,)
    )
    return [cell for (cell,) in near if trimmed(cell) == user_id]


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def current_view(
    connection: sqlite3.Connection, schema: pa.Schema, user_ids: Sequence[str]
) -> pa.Table:
    """Return columns of current_decisions of user_ids, in no particular order."""
    return table(
        connection,
        schema,
        f"select {', '.join('v.' + name for name in schema.names)} from json_each(?) wanted "  # noqa: S608
        "cross join current_decisions v on v.user_id = wanted.value",
        (json.dumps(list(user_ids)),),
    )


def shifts(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Return confirmed level shifts by person: (effective_at, from_kg, to_kg), oldest first."""
    found: dict[str, list[Any]] = {}
    for user, *shift in connection.execute(
        "select user_id, effective_at, from_kg, to_kg from json_each(?) wanted "
        "join level_shifts on user_id = wanted.value order by user_id, effective_at",
        (json.dumps(list(user_ids)),),
    ):
        found.setdefault(user, []).append(tuple(shift))
    return found


def setting(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("select value from settings where key = ?", (key,)).fetchone()
    return row[0] if row else None


def stale_models(connection: sqlite3.Connection) -> list[str]:
    """Return names of parameter sets that were learnt from a person erased since."""
    return [
        name for (name,) in connection.execute("select name from models where stale and active")
    ]
