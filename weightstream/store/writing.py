"""Writing to the store: whole columns, one transaction for some persons at a time."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weightstream.demographics import CONTRADICTORY, STATED
from weightstream.errors import StaleRevision, StoreError
from weightstream.judging.batch_result import BatchResult
from weightstream.store.checksums import count_rows, renew_measurements, with_checksums
from weightstream.store.connection import explained, transaction

Columns = Mapping[str, list[Any] | str | int]
ROWS_PER_STATEMENT = 500

RETRO_DUE, OVERRIDE_DUE = 1, 2
"""Values of users.dirty."""

MEASUREMENT_KEY = ("user_id", "effective_at", "measurement_id")


def write_result(
    connection: sqlite3.Connection, path: Path, result: BatchResult, run: int, users_per_commit: int
) -> Iterator[int]:
    """Store a batch, `users_per_commit` persons per transaction; yields the number committed.

    Raises StaleRevision, with nothing of that transaction written, naming the persons whose series
    changed since they were read; StoreError if the store cannot be written.
    """
    users, checked = len(result.user_ids), with_checksums(result, run)
    for start in range(0, users, users_per_commit):
        stop = min(start + users_per_commit, users)
        with explained(path), transaction(connection):
            check_running(connection, path, run)
            check_revisions(connection, result, start, stop)
            write_part(connection, checked, start, stop)
            count_rows(connection, checked, start, stop)
        yield stop


def check_running(connection: sqlite3.Connection, path: Path, run: int) -> None:
    """Raise StoreError if an erasure ended the run, since it may have read the erased person.

    An erasure waits for runs and lets none begin (locks.py). This check is for a run that it could
    not see, for example if somebody removed the lock files.
    """
    (status,) = connection.execute("select status from runs where id = ?", (run,)).fetchone()
    if status != "running":
        raise StoreError(f"{path}: a person was erased during this run; run it again")


def check_revisions(
    connection: sqlite3.Connection, result: BatchResult, start: int, stop: int
) -> None:
    wanted = result.user_ids[start:stop]
    found = dict(
        connection.execute(
            "select user_id, revision from users where user_id in (select value from json_each(?))",
            (json.dumps(wanted),),
        )
    )
    revisions = result.revisions[start:stop].tolist()
    pairs = zip(wanted, revisions, strict=True)
    if stale := [user for user, revision in pairs if found.get(user, 0) != revision]:
        raise StaleRevision(stale)


def write_part(connection: sqlite3.Connection, result: BatchResult, start: int, stop: int) -> None:
    insert(connection, "measurements", result.measurements.part(start, stop))
    insert(connection, "decisions", result.decisions.part(start, stop))
    insert(connection, "decisions", result.estimates.part(start, stop), verb="replace")
    respell(connection, result.respelled.part(start, stop))
    insert(connection, "records", result.links.part(start, stop), verb="replace")
    insert(connection, "users", result.users.part(start, stop), verb="replace")
    describe(connection, result.demographics.part(start, stop))
    insert(connection, "user_states", result.states.part(start, stop), verb="replace")
    if replaced := chosen(result.user_ids, result.recomputed, start, stop):
        connection.execute(
            "delete from level_shifts where user_id in (select value from json_each(?))",
            (replaced,),
        )
    delete_shifts(connection, result.judged_again.part(start, stop))
    insert(connection, "level_shifts", result.shifts.part(start, stop), verb="replace")
    if linked := chosen(result.user_ids, result.linked, start, stop):
        replace_superseded(connection, linked, result.superseded.part(start, stop))


def delete_shifts(connection: sqlite3.Connection, readings: Columns) -> None:
    """Delete the level shifts at some readings. readings: MEASUREMENT_KEY."""
    if readings:
        connection.executemany(
            "delete from level_shifts "
            "where user_id = ? and effective_at = ? and measurement_id = ?",
            zip(*(readings[name] for name in MEASUREMENT_KEY), strict=True),
        )


def describe(connection: sqlite3.Connection, columns: Columns) -> None:
    """Merge what is known of persons with what is stored, as demographics.merge does.

    In SQL, since of a person who was never weighed there is no revision to compare.
    """
    merged = (
        f"{name} = case when excluded.{name} is null then {name} "
        f"when {name} is null or {name} = excluded.{name} then excluded.{name} "
        f"else {literal(CONTRADICTORY)} end"
        for name in STATED
    )
    connection.executemany(
        "insert into demographics (user_id, birth_date, sex) values (?, ?, ?) "  # noqa: S608
        f"on conflict (user_id) do update set {', '.join(merged)}",
        zip(*(columns.get(name, []) for name in ("user_id", *STATED)), strict=True),
    )


def chosen(user_ids: Sequence[str], mask: npt.NDArray[np.bool_], start: int, stop: int) -> str:
    """Return those of persons start:stop that are in the mask, as JSON; "" if there are none."""
    users = [u for u, ok in zip(user_ids[start:stop], mask[start:stop].tolist(), strict=True) if ok]
    return json.dumps(users) if users else ""


def replace_superseded(connection: sqlite3.Connection, users: str, superseded: Columns) -> None:
    """Replace the superseded measurements of some persons (JSON).

    A reading of theirs that is assigned to another person is in that person's series, so that
    person must be judged again.
    """
    connection.execute(
        "delete from superseded where user_id in (select value from json_each(?))", (users,)
    )
    insert(connection, "superseded", superseded)
    touch_persons(
        connection,
        "select assigned_to from overrides where withdrawn_at is null and assigned_to is not null "
        "and user_id in (select value from json_each(?))",
        users,
    )


def touch_persons(
    connection: sqlite3.Connection, which: str, values: str, dirty: int = RETRO_DUE
) -> None:
    """Mark persons as changed, so that they are judged again from the start.

    which: SQL that gives user ids, of the one parameter `values`. dirty: RETRO_DUE or OVERRIDE_DUE.
    Call it within the transaction of the change.
    """
    connection.execute(
        f"update users set revision = revision + 1, dirty = max(dirty, {dirty}) "  # noqa: S608
        f"where user_id in ({which})",
        (values,),
    )
    connection.execute(
        f"update user_states set settled = 0 where user_id in ({which})",  # noqa: S608
        (values,),
    )


def insert(
    connection: sqlite3.Connection, table: str, columns: Columns, verb: str = "insert"
) -> None:
    """Insert rows from columns; a column that is a single value holds in every row.

    Many rows to a statement, whose text is always the same, so that SQLite parses it once. Against
    executemany, on 17 columns: 1.5 times as fast, and the GIL is let go once a statement instead
    of once a row.
    """
    lists = {name: values for name, values in columns.items() if isinstance(values, list)}
    rows = len(next(iter(lists.values()), ()))
    if rows == 0:
        return
    width = len(lists)
    head = f"{verb} into {table} ({', '.join(columns)}) values "
    cells = ("?" if isinstance(value, list) else literal(value) for value in columns.values())
    row = f"({', '.join(cells)})"
    many = head + ", ".join([row] * ROWS_PER_STATEMENT)
    whole = rows - rows % ROWS_PER_STATEMENT
    for start in range(0, whole, ROWS_PER_STATEMENT):
        flat: list[Any] = [None] * (ROWS_PER_STATEMENT * width)
        for position, values in enumerate(lists.values()):
            flat[position::width] = values[start : start + ROWS_PER_STATEMENT]
        connection.execute(many, flat)
    rest = zip(*(values[whole:] for values in lists.values()), strict=True)
    connection.executemany(head + row, rest)


def literal(value: str | int) -> str:
    """Return a value as SQL text."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def respell(connection: sqlite3.Connection, columns: Columns) -> None:
    """Replace the text of measurements, and the numbers that depend on it, where the stored one is
    still larger.

    A reading that is assigned to another person is in that one's series: who has to be looked at
    again.
    """
    if not columns.get("measurement_id"):
        return
    texts = ("raw_weight", "raw_unit", "raw_time")
    changed = (*texts, "file", "line", "weight_kg", "local_hour")
    lists = [columns[name] for name in (*changed, *MEASUREMENT_KEY, *texts)]
    connection.executemany(
        f"update measurements set {', '.join(f'{name} = ?' for name in changed)} "  # noqa: S608
        "where user_id = ? and effective_at = ? and measurement_id = ? "
        "and (raw_weight, raw_unit, raw_time) > (?, ?, ?)",
        zip(*lists, strict=True),
    )
    keys = [columns[name] for name in MEASUREMENT_KEY]
    renew_measurements(connection, zip(*keys, strict=True))
    touch_persons(
        connection,
        "select assigned_to from overrides where withdrawn_at is null and assigned_to <> user_id "
        "and measurement_id in (select value from json_each(?))",
        json.dumps(columns["measurement_id"]),
    )
