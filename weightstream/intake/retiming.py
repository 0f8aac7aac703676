"""Refusing files that are already stored with their times in another timezone."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import InputError
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.intake.sources import digest_of
from weightstream.readers import ReadOptions
from weightstream.readers.source import reading

_PERSONS = 20
"""The number of a file's first persons whose readings are compared with the store."""
_DATE = len("2024-01-31")


def refuse_retimed(
    connection: sqlite3.Connection, sources: Sequence[Path], options: ReadOptions, rules: Rules
) -> None:
    """Raise InputError if a file is stored with other times than it would get now.

    Otherwise each of its readings would be stored twice, hours apart. connection: of the store.
    Looks at the first block of a file whose content the store knows, and at no other file.
    """
    for path in sources:
        file = _known_file(connection, path)
        first = next(read_clean(path, options, rules, 0, threads=1), None) if file else None
        if first is None:
            continue
        moved = _moved(connection, file, first.measurements)
        if moved:
            line, before, now = moved
            raise InputError(
                f"{path} is already stored with its times in another timezone: the time in line"
                f" {line} was {before} and would be {now}; give the same --timezone"
                " as before, or read it into a new store (--data-dir)"
            )


def _known_file(connection: sqlite3.Connection, path: Path) -> int:
    """Return the number of the file with this content, 0 if the store has none."""
    with reading(path):
        if not path.is_file():
            return 0
        size = path.stat().st_size
        if not connection.execute("select 1 from files where bytes = ?", (size,)).fetchone():
            return 0
        sha256, _ = digest_of(path)
    found = connection.execute("select id from files where sha256 = ?", (sha256,)).fetchone()
    return int(found[0]) if found else 0


def _moved(
    connection: sqlite3.Connection, file: int, measurements: pa.Table
) -> tuple[int, str, str] | None:
    """Return the first line whose text has another time in the store: line, that time, new time."""
    persons = pc.unique(measurements["user_id"].cast(pa.string())).to_pylist()[:_PERSONS]
    query = (
        "select line, raw_time, effective_at from measurements "
        "where file = ? and user_id in (select value from json_each(?))"
    )
    found = connection.execute(query, (file, json.dumps(persons)))
    stored = {line: (raw_time, effective_at) for line, raw_time, effective_at in found}
    columns = (measurements[name].to_pylist() for name in ("line", "raw_time", "effective_at"))
    for line, raw_time, effective_at in zip(*columns, strict=True):
        before = stored.get(line)
        if before is None or before[0] != raw_time or before[1] == effective_at:
            continue
        if _DATE not in (len(before[1]), len(effective_at)):  # dates are the same in every zone
            return line, before[1], effective_at
    return None
