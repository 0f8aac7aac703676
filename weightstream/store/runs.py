"""Runs, files, quarantine and settings in the store."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.errors import StoreError
from weightstream.intake.file_counts import FileCounts
from weightstream.store.connection import explained, transaction
from weightstream.store.writing import check_running, insert


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def remember_timezone(connection: sqlite3.Connection, path: Path, timezone: str) -> None:
    """Keep the timezone with which a store was created. Raises StoreError if another is given."""
    with explained(path), transaction(connection):
        connection.execute(
            "insert or ignore into settings (key, value) values ('timezone', ?)", (timezone,)
        )
        (kept,) = connection.execute("select value from settings where key = 'timezone'").fetchone()
    if kept != timezone:
        raise StoreError(
            f"{path} was begun with timezone {kept}; set data.timezone to {kept!r}, or use another "
            "--data-dir"
        )


def begin_run(connection: sqlite3.Connection, path: Path, run_id: str, kind: str) -> int:
    """Begin a run; returns the number that its rows carry. A retried run keeps its number."""
    with explained(path), transaction(connection):
        connection.execute(
            "insert into runs (run_id, kind, status, started_at) values (?, ?, 'running', ?) "
            "on conflict (run_id) do update set status = 'running'",
            (run_id, kind, now()),
        )
        (number,) = connection.execute("select id from runs where run_id = ?", (run_id,)).fetchone()
    return int(number)


def end_run(
    connection: sqlite3.Connection,
    path: Path,
    run: int,
    status: str,
    counts: Mapping[str, int],
    seconds: Mapping[str, float],
    results: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """Record the end of a run. results: counts of retro and of news."""
    details = {
        "seconds": json.dumps(dict(seconds)),
        "results": json.dumps(results) if results else None,
    }
    ended = {"status": status, "finished_at": now()}
    change_run(connection, path, run, {**counts, **details, **ended})


def change_run(
    connection: sqlite3.Connection, path: Path, run: int, values: Mapping[str, int | str | None]
) -> None:
    """Update columns of a run."""
    with explained(path), transaction(connection):
        connection.execute(
            f"update runs set {', '.join(f'{name} = ?' for name in values)} where id = ?",  # noqa: S608
            [*values.values(), run],
        )


def register_files(
    connection: sqlite3.Connection, path: Path, files: Sequence[FileCounts], run: int
) -> list[int]:
    """Return the number of each file in the store, 0 of a refused one.

    The same content is the same file.
    """
    numbers = []
    with explained(path), transaction(connection):
        for file in files:
            if file.refused:  # nothing is stored of it
                numbers.append(0)
                continue
            connection.execute(
                "insert into files (sha256, name, importer, bytes, reads, last_run) "
                "values (?, ?, ?, ?, 1, ?) on conflict (sha256) do update set "
                "reads = reads + 1, last_run = excluded.last_run",
                (file.sha256, file.path.name, file.importer, file.size, run),
            )
            (number,) = connection.execute(
                "select id from files where sha256 = ?", (file.sha256,)
            ).fetchone()
            numbers.append(int(number))
    return numbers


def record_counts(
    connection: sqlite3.Connection, path: Path, files: Sequence[FileCounts], numbers: Sequence[int]
) -> None:
    with explained(path), transaction(connection):
        for file, number in zip(files, numbers, strict=True):
            connection.execute(
                "update files set rows_in = ?, duplicates = ?, quarantined = ?, excluded = ?, "
                "excluded_reasons = ?, skipped = ? where id = ?",
                (
                    file.rows_in,
                    file.duplicates,
                    file.quarantined,
                    sum(file.excluded.values()),
                    json.dumps(file.excluded, sort_keys=True),
                    file.skipped,
                    number,
                ),
            )


def store_quarantine(
    connection: sqlite3.Connection,
    path: Path,
    tables: Iterable[pa.Table],
    files: Sequence[FileCounts],
    numbers: Sequence[int],
    run: int,
) -> None:
    """Store quarantined rows of the files of a run (schema.QUARANTINE, some rows each).

    A row that was faulty when its file was read before, and is not now, leaves the quarantine, for
    example a time that was in the future.
    """
    released = _quarantined_before(connection, numbers)
    for rows in tables:
        write_quarantine(connection, path, rows, files, numbers, run)
        for index in rows["file"].unique().to_pylist() if released else ():
            lines = rows.filter(pc.equal(rows["file"], index))["line"].to_numpy()
            before = released.get(numbers[index], lines)
            released[numbers[index]] = np.setdiff1d(before, lines)
    with explained(path), transaction(connection):
        for number, gone in released.items():
            connection.execute(
                "delete from quarantine where file_id = ? "
                "and line in (select value from json_each(?))",
                (number, json.dumps(gone.tolist())),
            )


def _quarantined_before(
    connection: sqlite3.Connection, numbers: Sequence[int]
) -> dict[int, npt.NDArray[np.int64]]:
    """Return lines in quarantine by file, of the files that have any."""
    found: dict[int, list[int]] = {}
    for number, line in connection.execute(
        "select file_id, line from quarantine where file_id in (select value from json_each(?))",
        (json.dumps(list(numbers)),),
    ):
        found.setdefault(number, []).append(line)
    return {number: np.array(lines, np.int64) for number, lines in found.items()}


def write_quarantine(
    connection: sqlite3.Connection,
    path: Path,
    quarantine: pa.Table,
    files: Sequence[FileCounts],
    numbers: Sequence[int],
    run: int,
) -> None:
    """Store rows of schema.QUARANTINE; one that is there already, by file and line, stays."""
    columns: dict[str, list[Any]] = quarantine.to_pydict()
    index = columns.pop("file")
    columns["file_id"] = [numbers[i] for i in index]
    columns["file"] = [files[i].path.name for i in index]
    with explained(path), transaction(connection):
        check_running(connection, path, run)
        insert(connection, "quarantine", columns | {"run": run}, verb="insert or ignore")
