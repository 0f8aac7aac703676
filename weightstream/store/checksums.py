"""A checksum of each row, which shows changes by a failing disk or another program.

Each table has a column `checksum` over the row's other columns. Where judging fills a table, whole
columns are hashed before they are written; elsewhere triggers of the writing connection do it row
by row. Rows that vanish are noticed by `row_counts`, the number of rows of each person.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from weightstream.judging.batch_result import BatchResult, Column, Rows
from weightstream.store.hashing import hash_columns, hash_row
from weightstream.store.queries import listed
from weightstream.store.tables import TABLES

BOOKKEEPING = {"users": ("revision", "dirty"), "user_states": ("settled",)}
"""Columns that change in many rows at once, and show who must be judged again."""
RECEIVED = ("raw_weight", "raw_unit", "raw_time", "record_id", "updated", "run", "file", "line")
"""Columns of measurements that judging does not read: they have a checksum of their own."""
OF_RESULTS = {
    "measurements": "measurements",
    "decisions": "decisions",
    "estimates": "decisions",
    "links": "records",
    "users": "users",
    "states": "user_states",
    "shifts": "level_shifts",
    "superseded": "superseded",
}
"""The table of each part of a BatchResult."""
WITH_RUN = ("measurements", "decisions", "links")
"""The tables whose rows get the number of the run."""
COUNTED = ("measurements", "decisions")
KEYS = {
    "demographics": ("user_id",),
    "former_ids": ("former_id",),
    "alert_statuses": ("user_id", "kind", "began"),
    "announced_alerts": ("user_id", "kind", "began"),
}
"""Keys of tables without a rowid that are written row by row."""
FUNCTION = "row_checksum"

Covered = Mapping[str, tuple[tuple[str, str], ...]]


@cache
def covered_columns(table: str) -> Covered:
    """Return by checksum column which columns it covers: names and declared types, in order."""
    connection = sqlite3.connect(":memory:")
    connection.execute(TABLES[table])
    rows = connection.execute(f"pragma table_info({table})").fetchall()
    connection.close()
    without = ("checksum", "received_checksum", *BOOKKEEPING.get(table, ()))
    columns = [(row[1], row[2].lower()) for row in rows if row[1] not in without]
    if table != "measurements":
        return {"checksum": tuple(columns)}
    return {
        "checksum": tuple(pair for pair in columns if pair[0] not in RECEIVED),
        "received_checksum": tuple(pair for pair in columns if pair[0] in RECEIVED),
    }


def with_checksums(result: BatchResult, run: int) -> BatchResult:
    """Return a result whose rows have checksums, and the run that writes them."""
    made: dict[str, Any] = {}
    for name, table in OF_RESULTS.items():
        rows: Rows = getattr(result, name)
        if not rows.columns:
            continue
        columns = dict(rows.columns) | ({"run": run} if name in WITH_RUN else {})
        count = int(rows.indptr[-1])
        sums: dict[str, Column] = {
            column: hash_columns([(columns.get(n), kind) for n, kind in covered], count)
            for column, covered in covered_columns(table).items()
        }
        made[name] = Rows(rows.indptr, columns | sums)
    return replace(result, **made)


def count_rows(connection: sqlite3.Connection, result: BatchResult, start: int, stop: int) -> None:
    """Add the rows of persons start:stop that a transaction inserts."""
    more = [np.diff(getattr(result, name).indptr[start : stop + 1]).tolist() for name in COUNTED]
    rows = zip(result.user_ids[start:stop], *more, strict=True)
    connection.executemany(
        "insert into row_counts values (?, ?, ?) on conflict (user_id) do update set "
        "measurements = measurements + excluded.measurements, "
        "decisions = decisions + excluded.decisions",
        [row for row in rows if any(row[1:])],
    )


def recount(connection: sqlite3.Connection, user_ids: Sequence[str]) -> None:
    """Count again the rows of persons of whom some were deleted."""
    counts = ", ".join(
        f"{table} = (select count(*) from {table} t where t.user_id = row_counts.user_id)"  # noqa: S608
        for table in COUNTED
    )
    connection.execute(
        f"update row_counts set {counts} where user_id in (select value from json_each(?))",  # noqa: S608
        (listed(user_ids),),
    )


def keep_checksums(connection: sqlite3.Connection) -> None:
    """Make a connection set the checksums of rows that are written one by one."""
    connection.create_function(FUNCTION, -1, hash_row, deterministic=True)
    for table in TABLES:
        if table in OF_RESULTS.values() or "checksum" not in TABLES[table]:
            continue
        covered = ", ".join(name for name, _ in covered_columns(table)["checksum"])
        same = " and ".join(f"{name} = new.{name}" for name in KEYS.get(table, ("rowid",)))
        for event in ("insert", f"update of {covered}"):
            connection.execute(
                f"create temp trigger {table}_{event[:6]} after {event} on main.{table} begin "  # noqa: S608
                f"update {table} set {_sums(table, 'new.')} where {same}; end"
            )


def _sums(table: str, prefix: str = "") -> str:
    """Return SQL that sets the checksums of a row."""
    return ", ".join(
        f"{column} = {FUNCTION}({', '.join(prefix + name for name, _ in covered)})"
        for column, covered in covered_columns(table).items()
    )


def renew_all(connection: sqlite3.Connection) -> None:
    """Set the checksums and counts of all rows, in a store that had none."""
    connection.create_function(FUNCTION, -1, hash_row, deterministic=True)
    for table in TABLES:
        if "checksum" in TABLES[table]:
            connection.execute(f"update {table} set {_sums(table)}")  # noqa: S608
    connection.execute(
        "insert or replace into row_counts select user_id, sum(measured), sum(decided) from ("
        "select user_id, count(*) as measured, 0 as decided from measurements group by 1 union all "
        "select user_id, 0, count(*) from decisions group by 1) group by 1"
    )


def renew_measurements(
    connection: sqlite3.Connection, keys: Iterable[tuple[str, str, str]]
) -> None:
    """Set the checksums of measurements, by MEASUREMENT_KEY, whose text was replaced."""
    connection.executemany(
        f"update measurements set {_sums('measurements')} "  # noqa: S608
        "where user_id = ? and effective_at = ? and measurement_id = ?",
        keys,
    )
