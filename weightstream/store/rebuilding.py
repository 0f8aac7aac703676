"""Bringing tables of an earlier 0.2 up to date, within the caller's transaction."""

import sqlite3

from weightstream.store.checksums import FUNCTION, covered_columns
from weightstream.store.hashing import hash_row
from weightstream.store.tables import INDEXES, TABLES, VIEWS
from weightstream.store.verifying import schema

FORMER = "former_"


def rebuild_changed(connection: sqlite3.Connection) -> None:
    """Rebuild the tables that TABLES defines otherwise, and create those that are missing.

    New columns are empty. Rows that were as written get the checksums of their new form; damaged
    rows stay damaged.
    """
    connection.create_function(FUNCTION, -1, hash_row, deterministic=True)
    for view in VIEWS:
        connection.execute(f"drop view if exists {view}")
    kept = dict(connection.execute("select name, sql from sqlite_master where type = 'table'"))
    for table, statement in TABLES.items():
        if table not in kept:
            connection.execute(statement)
        elif kept[table] != schema()[table]:
            _rebuild(connection, table)
    names = {name for (name,) in connection.execute("select name from sqlite_master")}
    for index in INDEXES:
        if not any(f" {name} on " in index for name in names):
            connection.execute(index)
    for view in VIEWS.values():
        connection.execute(view)


def _rebuild(connection: sqlite3.Connection, table: str) -> None:
    former = FORMER + table
    # Without this, SQLite would make other tables refer to the former one.
    connection.execute("pragma legacy_alter_table = on")
    connection.execute(f"alter table {table} rename to {former}")
    connection.execute("pragma legacy_alter_table = off")
    connection.execute(TABLES[table])
    before = [row[1] for row in connection.execute(f"pragma table_info({former})")]
    cells = {name: name for name in before}
    for column, covered in covered_columns(table).items():
        now = [name for name, _ in covered]
        was = ", ".join(name for name in now if name in before)
        new = ", ".join(name if name in before else "null" for name in now)
        cells[column] = (
            f"case when {column} = {FUNCTION}({was}) then {FUNCTION}({new}) else {column} end"
        )
    connection.execute(
        f"insert into {table} ({', '.join(cells)}) select {', '.join(cells.values())} from {former}"  # noqa: S608
    )
    connection.execute(f"drop table {former}")
