"""Refusing files that are already stored, and would now be read with other times or weights."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.readers import ReadOptions

Check = Callable[[Path, str, ReadOptions], None]
"""Raises InputError if a file must not be read: its path, its SHA-256, and how it is read."""

_PERSONS = 20
"""The number of a file's first persons whose readings are compared with the store."""
_DATE = len("2024-01-31")
_SAME = 1e-9


def accept(path: Path, sha256: str, options: ReadOptions) -> None:
    """Let every file be read, where nothing is stored."""


def refusing_changes(connection: sqlite3.Connection, rules: Rules) -> Check:
    """Return a check that refuses a stored file whose readings would now be others.

    Otherwise each of its readings would be stored twice: hours, months or a factor apart. The check
    looks at the first block of a file whose content the store knows, and at no other file.
    """

    def check(path: Path, sha256: str, options: ReadOptions) -> None:
        known = connection.execute("select id from files where sha256 = ?", (sha256,)).fetchone()
        first = next(read_clean(path, options, rules, 0, threads=1), None) if known else None
        told = _change(connection, int(known[0]), first.measurements) if first else None
        if told:
            raise InputError(f"{path} is already stored {told}, or read it into a new store")

    return check


def _change(connection: sqlite3.Connection, file: int, measurements: pa.Table) -> str | None:
    """Tell the first line that the store has with another time or weight, and what to do."""
    users = measurements["user_id"].cast(pa.string())
    persons = pc.unique(users)[:_PERSONS]
    measurements = measurements.filter(pc.is_in(users, persons))
    query = (
        "select line, raw_time, effective_at, raw_weight, weight_kg from measurements "
        "where file = ? and user_id in (select value from json_each(?))"
    )
    found = connection.execute(query, (file, json.dumps(persons.to_pylist())))
    stored = {line: rest for line, *rest in found}
    columns = ("line", "raw_time", "effective_at", "raw_weight", "weight_kg")
    for line, *now in zip(*(measurements[name].to_pylist() for name in columns), strict=True):
        before = stored.get(line)
        told = _of_time(line, before, now) or _of_weight(line, before, now) if before else None
        if told:
            return told
    return None


def _of_time(line: int, before: list[Any], now: list[Any]) -> str | None:
    if before[0] != now[0] or before[1] == now[1]:
        return None
    are_dates = [len(text) == _DATE for text in (before[1], now[1])]
    if any(are_dates) and not all(are_dates):  # its time of day may mean that none is known
        return None
    other, option = (
        ("dates in another order", "--dates")
        if all(are_dates)
        else ("times in another timezone", "--timezone")
    )
    return (
        f"with its {other}: the time in line {line} was {before[1]} and would be {now[1]};"
        f" give the same {option} as before"
    )


def _of_weight(line: int, before: list[Any], now: list[Any]) -> str | None:
    if before[2] != now[2] or abs(before[3] - now[3]) <= _SAME * before[3]:
        return None
    return (
        f"with other weights: that in line {line} would be {now[3] / before[3]:.4g} times what it"
        " was; give the same --unit and --decimal as before"
    )
