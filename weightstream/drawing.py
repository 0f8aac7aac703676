"""Dashboards from the store: the pages of some persons at a time, then the index of all."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from weightstream.charts.index import index_page, index_row, read_index
from weightstream.charts.page import (
    PERSONS,
    Person,
    file_name,
    person_page,
    remove_pages,
    write_page,
)
from weightstream.export import EXPORT, in_order
from weightstream.series import by_person
from weightstream.store import reading

PERSONS_AT_A_TIME = 100

IndexRow = dict[str, Any]


def draw_persons(
    connection: sqlite3.Connection,
    dashboards: Path,
    user_ids: Sequence[str],
    naming: Literal["hash", "id"],
    timezone: str,
) -> list[IndexRow]:
    """Write the page of each of user_ids; returns their rows of the index.

    Holds PERSONS_AT_A_TIME histories at once, however many persons are asked for.
    """
    rows = []
    for some in reading.chunks(user_ids, PERSONS_AT_A_TIME):
        for person in read_people(connection, some, timezone):
            name = file_name(person.user_id, naming)
            write_page(dashboards / PERSONS / name, person_page(person, timezone))
            rows.append(index_row(person, naming))
    return rows


def read_people(
    connection: sqlite3.Connection, user_ids: Sequence[str], timezone: str
) -> Iterable[Person]:
    table = in_order(reading.current_view(connection, EXPORT, user_ids), timezone)
    shifts = reading.shifts(connection, user_ids)
    names, indptr = by_person(table["user_id"])
    columns: Mapping[str, Any] = {
        name: column.to_numpy() if column.type == "double" else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    for name, start, stop in zip(names, indptr, indptr[1:], strict=False):
        yield Person(
            name,
            {key: values[start:stop] for key, values in columns.items()},
            shifts.get(name, []),
        )


def draw_index(
    connection: sqlite3.Connection,
    dashboards: Path,
    drawn: Iterable[IndexRow],
    naming: Literal["hash", "id"],
) -> Path:
    """Put the drawn rows into the index; persons that the store no longer has leave it.

    Reads the index and replaces it: to be called by one process at a time.
    """
    path = dashboards / "index.html"
    rows = read_index(path) or {}
    rows |= {row["user_id"]: row for row in drawn}
    known = set(reading.user_ids(connection))
    # A page may be there before its row: another process draws while this one does.
    pages = {file_name(user, naming) for user in known}
    rows = {user: row for user, row in rows.items() if user in known}
    write_page(path, index_page(rows.values()))
    remove_pages(dashboards, pages)
    return path


def undrawn(connection: sqlite3.Connection, dashboards: Path, naming: str) -> list[str]:
    """Persons of the store that the index on disk does not show under this naming."""
    rows = read_index(dashboards / "index.html") or {}
    return [
        user
        for user in reading.user_ids(connection)
        if user not in rows or rows[user]["page"] != file_name(user, naming)  # type: ignore[arg-type]
    ]
