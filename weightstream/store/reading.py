"""Frames out of the store, for some persons at a time."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

PERSON_COLUMNS = (
    "revision",
    "readings",
    "rejected",
    "first_us",
    "last_us",
    "settled",
    "basis",
    "state",
)

HISTORY = pa.schema(
    [
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("measurement_id", pa.string()),
        ("source", pa.string()),
        ("weight_kg", pa.float64()),
        ("local_hour", pa.float64()),
        ("run", pa.int64()),
    ]
)

SPELLINGS = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("raw_weight", pa.string()),
        ("raw_unit", pa.string()),
        ("raw_time", pa.string()),
    ]
)

CURRENT = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("version", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("p_valid", pa.float64()),
        ("expected_kg", pa.float64()),
        ("expected_margin_kg", pa.float64()),
        ("level_kg", pa.float64()),
        ("level_margin_kg", pa.float64()),
        ("trend_kg_per_week", pa.float64()),
        ("suggested_kg", pa.float64()),
        ("stage", pa.string()),
    ]
)


def persons(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """PERSON_COLUMNS of those of user_ids that the store knows."""
    rows = connection.execute(
        f"select user_id, {', '.join(PERSON_COLUMNS)} from json_each(?) wanted "  # noqa: S608
        "join users on user_id = wanted.value left join user_states using (user_id)",
        (json.dumps(list(user_ids)),),
    )
    return {user: tuple(rest) for user, *rest in rows}


def levels(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[str, float | None]:
    """The level of user_ids after their newest reading (kg), as it stands; of those known."""
    return dict(
        connection.execute(
            "select user_id, level_kg from json_each(?) wanted "
            "join users on user_id = wanted.value",
            (json.dumps(list(user_ids)),),
        )
    )


def history(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """Every stored measurement of user_ids: HISTORY, in no order to rely on."""
    return _measurements(connection, HISTORY, user_ids)


def spellings(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """How the stored measurements of user_ids are written: SPELLINGS."""
    return _measurements(connection, SPELLINGS, user_ids)


def _measurements(
    connection: sqlite3.Connection, schema: pa.Schema, user_ids: Sequence[str]
) -> pa.Table:
    return table(
        connection,
        schema,
        f"select {', '.join(schema.names)} from json_each(?) wanted "  # noqa: S608
        "cross join measurements on user_id = wanted.value",
        (json.dumps(list(user_ids)),),
    )


def current(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """The newest decision on each measurement of user_ids: CURRENT."""
    return table(
        connection,
        CURRENT,
        # SQLite takes the other columns from the row that holds the max().
        f"select measurement_id, max(version), {', '.join(CURRENT.names[2:])} "  # noqa: S608
        "from json_each(?) wanted cross join decisions on user_id = wanted.value "
        "group by user_id, effective_at, measurement_id",
        (json.dumps(list(user_ids)),),
    )


def table(
    connection: sqlite3.Connection, schema: pa.Schema, query: str, values: Sequence[Any] = ()
) -> pa.Table:
    return table_of(connection.execute(query, values).fetchall(), schema)


def table_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Rows that SQLite gave, as a table."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def listed(values: Sequence[str]) -> str:
    """For json_each: any number of values as one."""
    return json.dumps(list(values))


def user_ids(connection: sqlite3.Connection) -> list[str]:
    return [user for (user,) in connection.execute("select user_id from users order by user_id")]


def dirty(connection: sqlite3.Connection) -> tuple[list[str], list[int]]:
    """Persons whose newest change retro has not seen, in the order of their ids; their readings."""
    rows = connection.execute("select user_id, readings from users where dirty order by user_id")
    found = rows.fetchall()
    return [user for user, _ in found], [readings for _, readings in found]


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def current_view(
    connection: sqlite3.Connection, schema: pa.Schema, user_ids: Sequence[str]
) -> pa.Table:
    """The named columns of current_decisions of user_ids, in no order to rely on."""
    return table(
        connection,
        schema,
        f"select {', '.join('v.' + name for name in schema.names)} from json_each(?) wanted "  # noqa: S608
        "cross join current_decisions v on v.user_id = wanted.value",
        (json.dumps(list(user_ids)),),
    )


def shifts(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[str, list[Any]]:
    """Confirmed level shifts by person: (effective_at, from_kg, to_kg) in the order of time."""
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
    """Sets of parameters that were learnt from persons of whom one has been erased since."""
    return [name for (name,) in connection.execute("select name from models where stale")]
