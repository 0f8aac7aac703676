"""Frames out of the store, for some persons at a time."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROWS_AT_A_TIME = 1000
FETCHING = threading.Lock()
"""Held while rows are fetched: the GIL is let go and taken at each of them, so that threads which
fetch side by side wait for each other at each (four of them: twice the processor time of one)."""

PERSON_COLUMNS = (
    "revision",
    "readings",
    "rejected",
    "first_us",
    "last_us",
    "settled",
    "basis",
    "state",
    "records",
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

RECORDS = pa.schema(
    [
        ("user_id", pa.string()),
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("measurement_id", pa.string()),
        ("updated", pa.string()),
    ]
)
"""What a record said: of which measurement (empty: it is taken back), and when it was updated."""

SPELLINGS = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("record_id", pa.string()),
        ("updated", pa.string()),
        ("raw_weight", pa.string()),
        ("raw_unit", pa.string()),
        ("raw_time", pa.string()),
    ]
)

SUPERSEDED = pa.schema(
    [
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("measurement_id", pa.string()),
        ("reason", pa.string()),
    ]
)
"""Readings that their source corrected or took back; user_id: the person they were received for."""

OVERRIDES = pa.schema(
    [
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("measurement_id", pa.string()),
        ("action", pa.string()),
        ("assigned_to", pa.string()),
    ]
)
"""Overrides in force; user_id: the person that the measurement was received for."""

ESTIMATES = (
    "p_valid",
    "expected_kg",
    "expected_margin_kg",
    "level_kg",
    "level_margin_kg",
    "trend_kg_per_week",
)

CURRENT = pa.schema(
    [
        ("measurement_id", pa.string()),
        ("version", pa.int64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        *((name, pa.float64()) for name in ESTIMATES),
        ("suggested_kg", pa.float64()),
        ("stage", pa.string()),
        ("model", pa.string()),
        ("run", pa.int64()),
    ]
)

PLACED = pa.schema(
    [
        *CURRENT,
        ("user_id", pa.string()),
        ("effective_at", pa.string()),
        ("received_user", pa.string()),
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


def superseded_rows(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """SUPERSEDED of user_ids."""
    return table(
        connection,
        SUPERSEDED,
        f"select {', '.join(SUPERSEDED.names)} from json_each(?) wanted "  # noqa: S608
        "join set_aside on user_id = wanted.value",
        (json.dumps(list(user_ids)),),
    )


def overrides(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """OVERRIDES of what was received for user_ids or is assigned to them."""
    columns = ", ".join(OVERRIDES.names)
    wanted = json.dumps(list(user_ids))
    return table(
        connection,
        OVERRIDES,
        f"select {columns} from json_each(?) wanted join overrides on user_id = wanted.value "  # noqa: S608
        f"where withdrawn_at is null union select {columns} from json_each(?) wanted "
        "join overrides on assigned_to = wanted.value where withdrawn_at is null",
        (wanted, wanted),
    )


def human_decisions(
    connection: sqlite3.Connection, user_ids: Sequence[str]
) -> dict[str, list[tuple[str, str, str, str, str]]]:
    """Overrides that stand, by the person whose readings they are on now: measurement_id, action,
    made_by, made_at, note."""
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


def assigned(connection: sqlite3.Connection, keys: pa.Table) -> pa.Table:
    """HISTORY of measurements by (user_id, effective_at, measurement_id)."""
    wanted = json.dumps([list(key.values()) for key in keys.to_pylist()])
    return table(
        connection,
        HISTORY,
        f"select {', '.join(HISTORY.names)} from json_each(?) wanted "  # noqa: S608
        "cross join measurements on user_id = json_extract(wanted.value, '$[0]') "
        "and effective_at = json_extract(wanted.value, '$[1]') "
        "and measurement_id = json_extract(wanted.value, '$[2]')",
        (wanted,),
    )


def records(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """All that the records of user_ids said: RECORDS; without a record_id: null or empty."""
    columns, wanted = ", ".join(RECORDS.names), json.dumps(list(user_ids))
    return table(
        connection,
        RECORDS,
        f"select {columns} from json_each(?) wanted cross join measurements "  # noqa: S608
        f"on user_id = wanted.value union all select {columns} from json_each(?) wanted "
        "cross join records on user_id = wanted.value",
        (wanted, wanted),
    )


def spellings(connection: sqlite3.Connection, user_ids: Sequence[str]) -> pa.Table:
    """How the stored measurements of user_ids are written, and as which record: SPELLINGS."""
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


def current(
    connection: sqlite3.Connection,
    user_ids: Sequence[str],
    stage: str,
    schema: pa.Schema = CURRENT,
) -> pa.Table:
    """The newest decision on each measurement of user_ids: CURRENT, or PLACED.

    Estimates are empty where another stage made them: they are not compared, and a first retro
    would spend a third of its reading on them.
    Verdict "moved": the measurement was in this person's series, and is in another's now.
    """
    columns = (
        f"case when stage = ?2 then {name} end" if name in ESTIMATES else name
        for name in schema.names
    )
    versions = table(
        connection,
        schema.append(pa.field("person", pa.int64())),
        # In the order of the key, so that of a measurement's versions the newest comes last: to
        # leave the others out here costs a third of what grouping costs in SQLite.
        f"select {', '.join(columns)}, wanted.key from json_each(?1) wanted "  # noqa: S608
        "cross join decisions on user_id = wanted.value",
        (json.dumps(list(user_ids)), stage),
    )
    last = np.ones(len(versions), bool)
    for name in ("measurement_id", "person") if len(versions) else ():
        column = versions[name].combine_chunks()
        last[:-1] &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    last[:-1] = ~last[:-1]
    return versions.drop_columns("person").filter(pa.array(last))


def overridden(connection: sqlite3.Connection, user_ids: Sequence[str]) -> list[str]:
    """Those of user_ids whom an override concerns, or ever did."""
    wanted = json.dumps(list(user_ids))
    rows = connection.execute(
        "select distinct value from json_each(?) where value in (select user_id from overrides) "
        "or value in (select assigned_to from overrides)",
        (wanted,),
    )
    return [user for (user,) in rows]


def has_moves(connection: sqlite3.Connection, user_ids: Sequence[str]) -> bool:
    """Whether a measurement is, or ever was, assigned from or to one of user_ids."""
    wanted = json.dumps(list(user_ids))
    (found,) = connection.execute(
        "select exists (select 1 from overrides where assigned_to is not null and (user_id in "
        "(select value from json_each(?)) or assigned_to in (select value from json_each(?))))",
        (wanted, wanted),
    ).fetchone()
    return bool(found)


def table(
    connection: sqlite3.Connection, schema: pa.Schema, query: str, values: Sequence[Any] = ()
) -> pa.Table:
    """What a query finds. Some rows at a time: twice as fast as all, which no cache holds."""
    parts = []
    with FETCHING:
        cursor = connection.execute(query, values)
        while rows := cursor.fetchmany(ROWS_AT_A_TIME):
            parts.append(table_of(rows, schema))
    return pa.concat_tables(parts).combine_chunks() if parts else schema.empty_table()


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
    rows = connection.execute("select user_id from users where readings > 0 order by user_id")
    return [user for (user,) in rows]


def revisions(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Everyone and the revision of their series."""
    query = "select user_id, revision from users order by user_id"
    return connection.execute(query).fetchall()


def readings(connection: sqlite3.Connection, user_ids: Sequence[str]) -> dict[str, int]:
    """How many readings those of user_ids have that the store knows."""
    query = "select user_id, readings from json_each(?) wanted join users on user_id = wanted.value"
    return dict(connection.execute(query, (json.dumps(list(user_ids)),)).fetchall())


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
