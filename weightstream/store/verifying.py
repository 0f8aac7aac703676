"""Finding rows that are not as they were written (see checksums.py)."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from weightstream.errors import StoreError
from weightstream.store.checksums import COUNTED, covered_columns
from weightstream.store.hashing import hash_columns, hash_row
from weightstream.store.queries import listed
from weightstream.store.tables import INDEXES, TABLES, VIEWS
from weightstream.types import Bools

Cells: TypeAlias = Sequence[object] | np.ndarray[Any, Any]

OF_PERSON = {
    "users": "t.user_id = w.value",
    "measurements": "t.user_id = w.value",
    "decisions": "t.user_id = w.value",
    "level_shifts": "t.user_id = w.value",
    "overrides": "w.value in (t.user_id, t.assigned_to)",
}
"""The tables that exports and pages show of a person, and the condition for the person's rows."""
OF_ALL = ("settings", "runs", "files")
"""Small tables that they show of all persons."""
ROWS_AT_A_TIME = 1000
NO_CHECKSUM = 1 << 40
"""A value that no checksum has."""
STRUCTURE = 20
"""The number of faults of the structure that are reported."""
MISSING = " or ".join(
    f"coalesce(c.{table}, 0) <> (select count(*) from {table} t where t.user_id = p.user_id)"  # noqa: S608
    for table in COUNTED
)
DEFINITIONS = "select name, sql from sqlite_master where sql is not null"
UNLISTED = "select user_id from row_counts where user_id not in (select user_id from users)"
PERSONS = (
    "select user_id from row_counts union select user_id from measurements "
    "union select user_id from decisions"
)


@dataclass
class Damage:
    """The damage of a store.

    structure: SQLite's own messages. rows: the number of damaged rows by table. missing:
    persons who have more or fewer rows than were written. persons: whose rows are damaged.
    """

    structure: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.structure or self.rows or self.missing)

    def add(self, table: str, rows: list[tuple[object, ...]], names: Sequence[str]) -> None:
        if rows:
            self.rows[table] = self.rows.get(table, 0) + len(rows)
            if "user_id" in names:
                self.persons.update(str(row[names.index("user_id")]) for row in rows)

    def to_text(self) -> str:
        """Return what is wrong, in one clause that names nobody."""
        parts = [f"{count:,} rows of {table} changed" for table, count in self.rows.items()]
        if self.missing:
            parts.append(f"rows of {len(self.missing):,} persons are missing or surplus")
        if self.structure:
            parts.append(f"its structure is broken ({self.structure[0]})")
        return "; ".join(parts)


def damage_of(connection: sqlite3.Connection) -> Damage:
    """Verify each page, each row, and the number of rows of each person."""
    found = Damage(structure=structure_faults(connection))
    if found.structure:
        return found  # rows of damaged pages mean nothing
    found.structure += schema_faults(connection)
    for table in TABLES:
        if "checksum" in TABLES[table]:
            names = [name for name, *_ in columns_of(table)]
            for rows, bad in looked_at(connection, table):
                found.add(table, [rows[at] for at in np.flatnonzero(bad)], names)
    found.missing.update(
        user
        for (user,) in connection.execute(
            f"select p.user_id from ({PERSONS}) p left join row_counts c using (user_id) "  # noqa: S608
            f"where {MISSING} union {UNLISTED}"
        )
    )
    return found


def structure_faults(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with pages, the order of keys, and indexes."""
    try:
        rows = connection.execute(f"pragma integrity_check({STRUCTURE})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    except UnicodeDecodeError:
        return ["the schema holds bytes that are no text"]
    return [" ".join(fault.split()) for (fault,) in rows if fault != "ok"]  # some have two lines


@cache
def schema() -> dict[str, str]:
    """Return by name the definition of every table, index and view, as SQLite keeps it."""
    connection = sqlite3.connect(":memory:")
    for statement in (*TABLES.values(), *INDEXES, *VIEWS.values()):
        connection.execute(statement)
    rows = connection.execute(DEFINITIONS).fetchall()
    connection.close()
    return dict(rows)


def schema_faults(connection: sqlite3.Connection) -> list[str]:
    """Return the definitions that differ from ours: a changed view would show something else."""
    kept = dict(connection.execute(DEFINITIONS))
    return [
        f"{name} is defined otherwise" for name, sql in schema().items() if kept.get(name) != sql
    ]


def verify_persons(
    connection: sqlite3.Connection, user_ids: Sequence[str], tables: Iterable[str] = OF_PERSON
) -> None:
    """Raise StoreError if a row of one of these persons is not as it was written, or missing.

    tables: those of OF_PERSON whose rows are verified; missing rows are found in any case.
    """
    found, wanted = Damage(), listed(user_ids)
    for table, how in ((table, OF_PERSON[table]) for table in tables):
        names = [name for name, *_ in columns_of(table)]
        source = f"json_each(?) w cross join {table} t on {how}"
        for rows, bad in looked_at(connection, table, source, (wanted,)):
            found.add(table, [rows[at] for at in np.flatnonzero(bad)], names)
    missing = connection.execute(
        "select p.user_id from (select value as user_id from json_each(?)) p "  # noqa: S608
        f"left join row_counts c using (user_id) where {MISSING}",
        (wanted,),
    )
    found.missing.update(user for (user,) in missing)
    complain(connection, found)


def verified_columns(table: str, names: Sequence[str]) -> list[str]:
    """Return names, and what else `verify_columns` needs of a table."""
    covered = (name for name, _ in columns_of(table))
    return list(dict.fromkeys([*names, *covered, *covered_columns(table)]))


def verify_columns(
    connection: sqlite3.Connection, table: str, columns: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """Raise StoreError if rows, with verified_columns, are not as they were written."""
    bad = np.zeros(len(columns["user_id"]), bool)
    for column, covered in covered_columns(table).items():
        bad |= differs(columns[column], [(columns[name], kind) for name, kind in covered])
    found = Damage()
    found.add(table, [(columns["user_id"][at],) for at in np.flatnonzero(bad)], ("user_id",))
    complain(connection, found)


def verify_structure(connection: sqlite3.Connection) -> None:
    """Raise StoreError if pages are damaged or misplaced: rows may be missing that nothing counts.

    It reads the whole file; 1 M readings took 0.9 s.
    """
    complain(connection, Damage(structure_faults(connection)))


def verify_shared(connection: sqlite3.Connection, tables: Sequence[str] = OF_ALL) -> None:
    """Raise StoreError for tables with rows that are not as written, or for unlisted persons.

    Also if the structure of the store is damaged, or a definition is another.
    """
    verify_structure(connection)
    found = Damage(schema_faults(connection))
    for table in tables:
        for rows, bad in looked_at(connection, table):
            found.add(table, [rows[at] for at in np.flatnonzero(bad)], ())
    found.missing.update(user for (user,) in connection.execute(UNLISTED))
    complain(connection, found)


def verify_history(connection: sqlite3.Connection, rows: pa.Table) -> None:
    """Raise StoreError if measurements, with what judging reads of them, are not as written."""
    covered = covered_columns("measurements")["checksum"]
    columns = [(rows[name].combine_chunks(), kind) for name, kind in covered]
    bad = rows["checksum"].fill_null(NO_CHECKSUM).to_numpy() != hash_columns(columns, len(rows))
    found = Damage()
    found.add("measurements", [(user,) for user in rows["user_id"].filter(bad)], ("user_id",))
    complain(connection, found)


def verify_states(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Raise StoreError if states are not as they were written. rows: as of stored_persons.PERSONS,
    without persons who have none."""
    if rows:
        user, *_, basis, state, records, kept = zip(*rows, strict=True)
        columns = ((user, "text"), (basis, "text"), (state, "blob"), (records, "blob"))
        found = Damage()
        bad = np.flatnonzero(differs(kept, columns)).tolist()
        found.add("user_states", [(user[at],) for at in bad], ("user_id",))
        complain(connection, found)


def complain(connection: sqlite3.Connection, found: Damage) -> None:
    """Raise StoreError for damage."""
    if found:
        path = connection.execute("pragma database_list").fetchone()[2]
        raise StoreError(
            f"{path} is damaged: {found.to_text()}; `weightstream check` names the persons, "
            "`weightstream restore` replaces it by a backup"
        )


def columns_of(table: str) -> list[tuple[str, str]]:
    """Return names and types of the columns that a table's checksums cover."""
    return [pair for covered in covered_columns(table).values() for pair in covered]


def looked_at(
    connection: sqlite3.Connection, table: str, source: str = "", values: Sequence[str] = ()
) -> Iterator[tuple[list[tuple[object, ...]], Bools]]:
    """Yield some rows at a time, with columns_of, and which of them are not as they were written.

    source: SQL after `from`, with the table as t; all rows if empty.
    """
    sums = covered_columns(table)
    names = [*(name for name, _ in columns_of(table)), *sums]
    cells = ", ".join(f"t.{name}" for name in names)
    cursor = connection.execute(f"select {cells} from {source or table + ' t'}", values)  # noqa: S608
    while rows := cursor.fetchmany(ROWS_AT_A_TIME):
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        bad = np.zeros(len(rows), bool)
        for column, covered in sums.items():
            bad |= differs(columns[column], [(columns[name], kind) for name, kind in covered])
        yield rows, bad


def differs(kept: Cells, columns: Sequence[tuple[Cells, str]]) -> Bools:
    """Return (N,) whether a row's cells give another checksum than the one that is kept."""
    try:
        made = hash_columns(columns, len(kept))
        return np.array(pa.array(kept, pa.int64()).fill_null(NO_CHECKSUM)) != made
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # of other types: row by row
        rows = zip(*(cells for cells, _ in columns), strict=True)
        return np.array([hash_row(*row) for row in rows], object) != np.array(kept, object)
